"""What entries say, whatever is in them; what a server means by its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.base.address import Address
from postier.directories.answers import Standing, standing
from postier.directories.entry import (
    MAX_ADDRESSES,
    EntryProblem,
    Person,
    contested,
    entry_id,
    is_disabled,
    person_of,
)
from postier.directories.kinds import BadDirectory, check_directory, filled
from postier.directories.login import login_filter
from postier.ldap.wire.core import Entry, Result, check_filter
from postier.store.api import DirectoryGroup, DirectoryLogin, LdapDirectory

OFFICE = filled(
    LdapDirectory("office", ("ldaps://a.test",), ("orchard.test",), "dc=x", quota_attribute="mailQuota")
)
WINDOWS = filled(LdapDirectory("corp", OFFICE.servers, OFFICE.domains, "dc=x", kind="active-directory"))
GUID = bytes(range(16))


def entry(**attributes: list[bytes]) -> Entry:
    plain = {"entryuuid": (b"3F2504E0-4F89",), "objectguid": (GUID,), "mail": (b"anna@orchard.test",)}
    return Entry(
        "uid=anna", {**plain, **{name.lower(): tuple(values) for name, values in attributes.items()}}
    )


def test_a_person_of_openldap() -> None:
    found = person_of(
        OFFICE,
        entry(
            mail=[b"Anna@Orchard.TEST", b"anna@elsewhere.test"],
            mailAlternateAddress=[b"a.ash@orchard.test", b"anna@orchard.test"],
            displayName=["Anna Äsh".encode()],
            mailQuota=[b"2G"],
            preferredLanguage=[b"fr-CH, en;q=0.5"],
        ),
    )
    expected = Person(
        "3f2504e0-4f89", "uid=anna", "anna@orchard.test", ("a.ash@orchard.test",), "Anna Äsh", 2 * 10**9, "fr"
    )
    assert found == expected


def test_a_person_of_active_directory() -> None:
    proxies = [b"smtp:a@orchard.test", b"X500:/o=x", b"SMTP:Anna.Ash@orchard.test", b"sip:anna@orchard.test"]
    found = person_of(WINDOWS, entry(proxyAddresses=proxies, cn=[b"Anna"], userAccountControl=[b"512"]))
    assert (found.entry_id, found.main) == (GUID.hex(), "anna.ash@orchard.test")
    assert found.others == ("a@orchard.test", "anna@orchard.test")
    assert found.enabled
    assert not person_of(WINDOWS, entry(userAccountControl=[b"514"])).enabled


@pytest.mark.parametrize(
    ("attributes", "disabled"),
    [
        ({}, False),
        ({"userAccountControl": [b"66048"]}, False),
        ({"userAccountControl": [b"66050"]}, True),
        ({"userAccountControl": [b"\xff\x00junk"]}, False),
        ({"userAccountControl": [b"9" * 5000]}, False),
        ({"nsAccountLock": [b"True"]}, True),
        ({"pwdAccountLockedTime": [b"000001010000Z"]}, True),
        ({"pwdAccountLockedTime": [b"20260101000000Z"]}, False),
    ],
)
def test_who_is_disabled(attributes: dict[str, list[bytes]], disabled: bool) -> None:
    assert is_disabled(entry(**attributes)) is disabled


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b'Smith, "Jo" <b>', 'Smith, "Jo" <b>'),
        (b"a\x00b\r\nc\x1b[31m", "a b c [31m"),
        (b"  two   spaces ", "two spaces"),
        (b"\xff\xfe", ""),
        (b"x" * 10_000_000, "x" * 200),
        ("é" * 500, "é" * 200),
        (b"", ""),
    ],
)
def test_names_are_one_bounded_line(value: bytes | str, name: str) -> None:
    octets = value if isinstance(value, bytes) else value.encode()
    assert person_of(OFFICE, entry(displayName=[octets])).name == name


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (b"500", 5 * 10**8),
        (b"1M", 10**6),
        (b"10GB", 10**10),
        (b"-1", None),
        (b"many", None),
        (b"9" * 99, None),
    ],
)
def test_quotas(value: bytes, octets: int | None) -> None:
    assert person_of(OFFICE, entry(mailQuota=[value])).quota == octets


@pytest.mark.parametrize("ids", [[], [b""], [b"x" * 129], [b"a", b"b"]])
def test_an_entry_without_a_usable_id_is_nobody(ids: list[bytes]) -> None:
    with pytest.raises(EntryProblem, match="entryUUID"):
        person_of(OFFICE, entry(entryUUID=ids))


def test_an_id_that_is_no_text_is_its_digits() -> None:
    assert entry_id(OFFICE, entry(entryUUID=[b"a b\x00"])) == b"a b\x00".hex()


@pytest.mark.parametrize("mail", [[], [b"junk"], [b"\xff@orchard.test"], [b"a@b@c"], [b"anna@elsewhere.test"],
                                  [b"a\x00b@orchard.test"], [b"x" * 400 + b"@orchard.test"]])  # fmt: skip
def test_an_entry_without_an_address_of_ours_is_nobody_of_ours(mail: list[bytes]) -> None:
    with pytest.raises(EntryProblem, match=r"no address in orchard\.test") as problem:
        person_of(OFFICE, entry(mail=mail))
    assert problem.value.entry_id == "3f2504e0-4f89"


def test_addresses_are_bounded() -> None:
    many = [b"a%d@orchard.test" % number for number in range(MAX_ADDRESSES + 1000)]
    assert len(person_of(OFFICE, entry(mail=many)).others) == MAX_ADDRESSES - 1


@given(st.dictionaries(st.sampled_from(["mail", "cn", "displayname", "mailquota", "useraccountcontrol"]),
                       st.lists(st.binary(max_size=40), max_size=3)))  # fmt: skip
def test_junk_is_a_person_or_a_problem(junk: dict[str, list[bytes]]) -> None:
    try:
        person_of(OFFICE, entry(**junk))
    except EntryProblem:
        pass


def test_addresses_that_several_claim() -> None:
    people = [
        Person("1", "", "a", ("x",)),
        Person("2", "", "b", ("x", "a")),
        Person("3", "", "c", ("c",)),
        Person("4", "", "c"),
    ]
    assert contested(people) == ({"c"}, {"a", "x", "c"})


@pytest.mark.parametrize(
    ("result", "means"),
    [
        (Result(0), Standing.RIGHT),
        (Result(49), Standing.WRONG),
        (Result(49, "80090308: LdapErr: DSID-0C0903A9, comment: x, data 525, v2580"), Standing.UNKNOWN),
        (Result(49, "AcceptSecurityContext error, data 52e, v2580"), Standing.WRONG),
        (Result(49, "AcceptSecurityContext error, data 530, v2580"), Standing.NOT_NOW),
        (Result(49, "AcceptSecurityContext error, data 532, v2580"), Standing.EXPIRED),
        (Result(49, "AcceptSecurityContext error, data 533, v2580"), Standing.DISABLED),
        (Result(49, "AcceptSecurityContext error, data 701, v2580"), Standing.ENDED),
        (Result(49, "AcceptSecurityContext error, data 773, v2580"), Standing.MUST_CHANGE),
        (Result(49, "AcceptSecurityContext error, data 775, v2580"), Standing.LOCKED),
        (Result(49, "data 999"), Standing.WRONG),
        (Result(49, "", b"", 0), Standing.EXPIRED),
        (Result(49, "", b"", 1), Standing.LOCKED),
        (Result(0, "data 775"), Standing.RIGHT),
        (Result(53, "Account inactivated. Contact system administrator."), Standing.DISABLED),
        (Result(19, "Exceed password retry limit."), Standing.LOCKED),
        (Result(32), Standing.UNKNOWN),
        (Result(4096), Standing.WRONG),
    ],
)  # fmt: skip
def test_what_an_answer_means(result: Result, means: Standing) -> None:
    assert standing(result) is means


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Off ice"}, "is no name"),
        ({"servers": ()}, "name a server"),
        ({"servers": ("http://a",)}, "is no server"),
        ({"clear": True}, "ldaps:// is TLS"),
        ({"domains": ()}, "name the domain"),
        ({"domains": ("Orchard.test",)}, "as the DNS has it"),
        ({"base": ""}, "below which"),
        ({"bind_dn": "cn=a"}, "needs a name and a password"),
        ({"people": "(mail="}, "is no filter"),
        ({"mail_groups": "mail=*"}, "is no filter"),
        ({"name_attributes": ("cn)(x=*",)}, "is no name of an attribute"),
        ({"id_attribute": ""}, "never changes"),
        ({"login": DirectoryLogin.BIND}, "belong together"),
        ({"login": DirectoryLogin.BIND, "template": "uid=anna"}, "names nobody"),
        ({"login": DirectoryLogin.BIND, "template": "uid={password}"}, "means nothing"),
        ({"groups": (DirectoryGroup("", "a@orchard.test"),)}, "name the group"),
        ({"groups": (DirectoryGroup("cn=a", "a@orchard.test"),) * 201}, "are the most"),
    ],
)
def test_what_makes_no_sense(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BadDirectory, match=words.replace("(", r"\(")):
        check_directory(replace(OFFICE, **changes))  # type: ignore[arg-type]


def test_a_domain_comes_from_one_directory() -> None:
    check_directory(OFFICE, [OFFICE])
    with pytest.raises(BadDirectory, match="comes from the directory annex already"):
        check_directory(OFFICE, [replace(OFFICE, name="annex")])


@pytest.mark.parametrize(
    "name", ['"*"@orchard.test', '"a)(uid=*"@orchard.test', "a\\2a@orchard.test", "é@orchard.test"]
)
def test_no_name_changes_the_filter(name: str) -> None:
    try:
        address = Address.parse(name)
    except ValueError:
        return
    plain = check_filter(login_filter(OFFICE, Address.parse("a@orchard.test")))
    made = check_filter(login_filter(OFFICE, address))
    assert str(made).count("(") == str(plain).count("(")
    assert "*" not in login_filter(OFFICE, address).removeprefix("(&(&(objectClass=inetOrgPerson)(mail=*))")
