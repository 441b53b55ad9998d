"""Return addresses of forwarded mail: there and back, and nowhere else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.accounts.srs import MAX_AGE_DAYS, SrsError, is_return_address, original, return_address
from postier.base.address import Address
from postier.base.domain import Domain

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_794_312_000.0
DAY = 86_400
US, THIRD = Domain("us.example"), Domain("third.example")
ANN = Address.parse("Ann@a.example")


def given_out(path: Address = ANN, domain: Domain = US, key: bytes = KEY, now: float = NOW) -> Address:
    found = return_address(path, domain, key, now)
    assert found is not None
    return found


def test_the_form_is_the_one_that_others_read() -> None:
    assert re.fullmatch(r"SRS0=[A-Z2-7]{6}=[A-Z2-7]{2}=a\.example=Ann@us\.example", str(given_out()))


@pytest.mark.parametrize(
    "path",
    [
        "ann@a.example",
        "a=b=c@a.example",
        '"a b"@a.example',
        "x@[192.0.2.1]",
        "é@a.example",
        "SRS0x@a.example",
    ],
)
def test_there_and_back(path: str) -> None:
    address = Address.parse(path)
    assert original(Address.parse(str(given_out(address))), KEY, NOW) == address


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12))
def test_every_sender_is_found_again(local_part: str) -> None:
    address = Address(local_part, ANN.domain)
    assert original(given_out(address), KEY, NOW) == address or is_return_address(local_part)


def test_another_case_is_the_same() -> None:
    sent = given_out()
    for changed in (str(sent).lower(), str(sent).upper()):
        assert original(Address.parse(changed), KEY, NOW).lookup_key == "ann@a.example"


@pytest.mark.parametrize("days", [0, 1, MAX_AGE_DAYS])
def test_it_holds_for_some_weeks(days: int) -> None:
    assert original(given_out(), KEY, NOW + days * DAY) == ANN


@pytest.mark.parametrize("days", [MAX_AGE_DAYS + 1, 500, -1])
def test_and_not_longer(days: int) -> None:
    with pytest.raises(SrsError, match="expired"):
        original(given_out(), KEY, NOW + days * DAY)


def test_a_change_anywhere_is_seen() -> None:
    text = given_out().local_part
    for i in range(5, len(text)):
        changed = text[:i] + ("B" if text[i].upper() != "B" else "C") + text[i + 1 :]
        with pytest.raises(SrsError):
            original(Address(changed, US), KEY, NOW)


@pytest.mark.parametrize(
    "local_part",
    ["ann", "SRS0=", "SRS0==", "SRS0=AAAAAA", "SRS0=AAAAAA=AA=a.example=ann", "SRS1=AAAAAA=b==x", "SRS2=x=y"],
)
def test_what_we_did_not_give_out_is_refused(local_part: str) -> None:
    with pytest.raises(SrsError):
        original(Address(local_part, US), KEY, NOW)


def test_another_key_gives_nothing_out() -> None:
    with pytest.raises(SrsError, match="forged"):
        original(given_out(key=OTHER), KEY, NOW)


def test_a_path_that_was_rewritten_leads_to_who_did_it_first() -> None:
    first = given_out(domain=THIRD, key=OTHER)
    second = given_out(first)
    assert second.local_part.startswith("SRS1=")
    assert original(second, KEY, NOW + 99 * DAY) == first  # how old it is, the first one knows
    third = given_out(second, Domain("last.example"), b"l" * 32)
    assert original(third, b"l" * 32, NOW) == first


def test_what_finds_no_room_is_left_as_it_is() -> None:
    longest = 64 - len("SRS0=AAAAAA=AA=a.example=")
    assert return_address(Address("x" * longest, ANN.domain), US, KEY, NOW) is not None
    assert return_address(Address("x" * (longest + 1), ANN.domain), US, KEY, NOW) is None
    assert return_address(Address("SRS1=nonsense", ANN.domain), US, KEY, NOW) is None


@pytest.mark.parametrize("first", ["aq", "evil.example"])
def test_what_a_stranger_makes_us_sign_is_no_path_to_others(first: str) -> None:
    """Under SRS1 the text that is signed is the stranger's: it must not do for an SRS0."""
    signed = given_out(Address("SRS0=x=victim.example=bob", Domain(first)))
    assert signed.local_part.startswith("SRS1=")
    with pytest.raises(SrsError, match="forged"):
        original(Address("SRS0" + signed.local_part[4:], US), KEY, NOW)


def test_what_we_signed_for_a_sender_is_no_path_through_another_host() -> None:
    with pytest.raises(SrsError, match="forged"):
        original(Address("SRS1" + given_out().local_part[4:], US), KEY, NOW)
