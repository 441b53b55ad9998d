"""Which certificates there should be, and which names can be proved."""

from __future__ import annotations

import asyncio

from postier.acme.names import MAX_NAMES, Wanted, covered, leads_here, provable, wanted_names
from postier.testing.dns import ZoneResolver


def of(domain: str) -> tuple[str, ...]:
    return tuple(f"{label}.{domain}" for label in ("autoconfig", "autodiscover", "ua-auto-config", "mta-sts"))


def test_the_server_has_a_certificate_and_each_domain() -> None:
    found = wanted_names("mail.orchard.test", ["orchard.test", "harbor.test"], [])
    assert found == [
        Wanted("mail.orchard.test", ("mail.orchard.test",)),
        Wanted("harbor.test", of("harbor.test")),
        Wanted("orchard.test", of("orchard.test")),
    ]


def test_more_names_belong_to_the_nearest_domain_or_to_the_server() -> None:
    more = ["imap.orchard.test", "x.sub.orchard.test", "mail.far.test", "mail.orchard.test", "orchard.test"]
    found = {
        each.subject: each.names
        for each in wanted_names("mail.orchard.test", ["orchard.test", "sub.orchard.test"], more)
    }
    assert found["orchard.test"][4:] == ("imap.orchard.test", "orchard.test")
    assert found["sub.orchard.test"][4:] == ("x.sub.orchard.test",)
    assert found["mail.orchard.test"] == ("mail.orchard.test", "mail.far.test")


def test_a_wildcard_stands_for_the_names_below_it() -> None:
    found = wanted_names("mail.orchard.test", ["orchard.test"], ["*.orchard.test", "a.b.orchard.test"])
    assert found[1].names == ("*.orchard.test", "a.b.orchard.test")


def test_a_server_with_the_name_of_a_domain_has_one_certificate_for_both() -> None:
    found = wanted_names("orchard.test", ["orchard.test"], [])
    assert found == [Wanted("orchard.test", ("orchard.test", *of("orchard.test")))]


def test_the_host_is_not_named_twice() -> None:
    found = wanted_names("autoconfig.orchard.test", ["orchard.test"], [])
    assert found[1].names == of("orchard.test")[1:]


def test_a_wildcard_covers_one_label() -> None:
    assert covered("a.orchard.test", {"*.orchard.test"})
    assert not covered("a.b.orchard.test", {"*.orchard.test"})
    assert not covered("orchard.test", {"*.orchard.test"})
    assert not covered("*.a.orchard.test", {"*.orchard.test"})


ZONE = {
    "mail.orchard.test": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")],
    "autoconfig.orchard.test": [("CNAME", "mail.orchard.test")],
    "v4.orchard.test": [("A", "192.0.2.1")],
    "inside.orchard.test": [("A", "10.0.0.5")],
    "elsewhere.orchard.test": [("A", "192.0.2.1"), ("AAAA", "2001:db8::bad")],
    "empty.orchard.test": [("TXT", "x")],
    "late.orchard.test": ["TIMEOUT"],
}


def check(*names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    here = leads_here(ZoneResolver(ZONE), "mail.orchard.test", ["10.0.0.5"])
    found = asyncio.run(provable(names, [here]))
    return found.names, found.left_out


def test_names_that_lead_here_can_be_proved() -> None:
    names = ("mail.orchard.test", "autoconfig.orchard.test", "v4.orchard.test", "inside.orchard.test")
    assert check(*names) == (names, ())


def test_others_are_left_out_each_with_the_reason() -> None:
    names, left_out = check(
        "mail.orchard.test",
        "elsewhere.orchard.test",
        "empty.orchard.test",
        "none.orchard.test",
        "late.orchard.test",
        "*.orchard.test",
    )
    assert names == ("mail.orchard.test",)
    assert left_out[0] == "elsewhere.orchard.test: it leads to 2001:db8::bad, which is not this server"
    assert left_out[1] == "empty.orchard.test: it has no address in the DNS"
    assert left_out[2] == "none.orchard.test: it is not in the DNS"
    assert left_out[3].startswith("late.orchard.test: the DNS does not answer")
    assert "dns-01" in left_out[4]


def test_a_certificate_has_so_many_names_and_no_more() -> None:
    async def fine(_: str) -> str:
        return ""

    names = [f"n{i}.orchard.test" for i in range(MAX_NAMES + 1)]
    found = asyncio.run(provable(names, [fine]))
    assert len(found.names) == MAX_NAMES
    assert found.left_out == (f"n{MAX_NAMES}.orchard.test: a certificate has {MAX_NAMES} names at most",)
