"""The adviser: one test for each rule, and what wins where rules disagree."""

from __future__ import annotations

from typing import Any

import pytest

from postier.accounts.advice import (
    DEVICE,
    PERSON,
    DeviceFacts,
    Facts,
    Verdict,
    Wishes,
    advise,
    losses,
    seconds_at,
)

SMALL = Facts(10, 100_000, 101_000, 10, 4_000, 1_000, 4_000, 1_000)
PHONE = DeviceFacts(1, "Phone", ("imap", "submission"))
OFFICE = DeviceFacts(2, "Office", ("pop3",))
OLD = DeviceFacts(3, "Old", ("imap",), is_active=False)


def reasons(facts: Facts, **wishes: Any) -> tuple[Verdict, list[str]]:
    advice = advise(facts, Wishes(**wishes))
    return advice.verdict, [reason.key for reason in advice.reasons]


CASES = {
    "loses": (SMALL._replace(devices=(PHONE, OFFICE._replace(deleted=3))), {}, Verdict.IMAP),
    "several": (SMALL, {"devices": 2}, Verdict.IMAP),
    "folders": (SMALL._replace(folders=1, folder_messages=5), {"devices": 1}, Verdict.IMAP),
    "shared": (SMALL._replace(shared=1), {"devices": 1}, Verdict.IMAP),
    "mobile": (SMALL, {"devices": 1, "mobile": True}, Verdict.IMAP),
    "mobile.new": (SMALL._replace(inbox=0), {"devices": 1, "mobile": True}, Verdict.IMAP),
    "slow": (SMALL._replace(pop_octets=7_500_001), {"devices": 1}, Verdict.IMAP),
    "full": (SMALL._replace(quota=1000, used=900), {"devices": 1, "offline": True}, Verdict.POP3),
    "offline": (SMALL._replace(quota=1000, used=899), {"devices": 1, "offline": True}, Verdict.EITHER),
    "single": (SMALL, {"devices": 1}, Verdict.EITHER),
    "usual": (SMALL, {}, Verdict.IMAP),
}


@pytest.mark.parametrize("key", [rule.key for rule in PERSON])
def test_each_rule_leads_where_it_says(key: str) -> None:
    facts, wishes, verdict = CASES[key]
    said, found = reasons(facts, **wishes)
    assert (said, found[0]) == (verdict, key)


DEVICE_CASES = {
    "device.sends": (PHONE._replace(protocols=("submission",)), (OFFICE,), {}, Verdict.EITHER),
    "device.gone": (OFFICE._replace(is_active=False), (PHONE,), {}, Verdict.EITHER),
    "device.deletes": (OFFICE._replace(deleted=1), (PHONE,), {}, Verdict.IMAP),
    "device.beside": (OFFICE, (PHONE,), {}, Verdict.IMAP),
    "device.mobile": (OFFICE, (), {"mobile": True}, Verdict.IMAP),
    "device.alone": (OFFICE._replace(deleted=9), (OLD,), {}, Verdict.POP3),
    "device.well": (PHONE, (OFFICE,), {}, Verdict.IMAP),
}


@pytest.mark.parametrize("key", [rule.key for rule in DEVICE])
def test_each_rule_for_a_device_leads_where_it_says(key: str) -> None:
    device, others, wishes, verdict = DEVICE_CASES[key]
    advice = advise(SMALL._replace(devices=(device, *others)), Wishes(**wishes))
    assert (advice.devices[0].reason.key, advice.devices[0].verdict) == (key, verdict)


def test_what_speaks_against_pop3_outweighs_what_speaks_for_it() -> None:
    full = SMALL._replace(quota=1000, used=1000, folders=2, folder_messages=7)
    assert reasons(full, devices=1, offline=True) == (Verdict.IMAP, ["folders"])


def test_all_reasons_of_the_verdict_are_given_the_heaviest_first() -> None:
    facts = SMALL._replace(
        devices=(PHONE, OFFICE._replace(deleted=3, deleted_octets=99)), folders=1, folder_messages=5, shared=2
    )
    verdict, found = reasons(facts, mobile=True)
    assert (verdict, found) == (Verdict.IMAP, ["loses", "several", "folders", "shared", "mobile"])
    first = advise(facts, Wishes()).reasons[0]
    assert first.numbers == {"device": "Office", "deleted": 3, "octets": 99, "others": 1}


def test_the_ledger_counts_devices_that_read_and_are_in_use() -> None:
    sender = PHONE._replace(number=4, protocols=("submission",))
    assert reasons(SMALL._replace(devices=(OFFICE, OLD, sender))) == (Verdict.EITHER, ["single"])
    assert reasons(SMALL._replace(devices=(OFFICE, PHONE)))[1] == ["several"]
    assert reasons(SMALL._replace(devices=(OFFICE, PHONE)), devices=1)[1] == ["single"]


def test_mail_is_lost_only_where_somebody_else_reads() -> None:
    deleting = OFFICE._replace(deleted=1)
    assert losses((deleting,)) == []
    assert losses((deleting, OLD)) == []
    assert losses((OFFICE, PHONE)) == []
    assert losses((deleting._replace(is_active=False), PHONE)) == []
    (loss,) = losses((deleting, PHONE))
    assert (loss.device, loss.others) == (deleting, (PHONE,))
    both = deleting._replace(number=5)
    assert [one.device.number for one in losses((deleting, both))] == [2, 5]


def test_what_deleting_takes_from_the_others_is_what_they_lack() -> None:
    tablet = PHONE._replace(number=7, lacks=3, lacks_octets=500)
    facts = SMALL._replace(devices=(OFFICE._replace(deleted=1), PHONE._replace(lacks=2), tablet))
    numbers = advise(facts, Wishes()).devices[0].reason.numbers
    assert (numbers["others"], numbers["lacks"], numbers["lacks_octets"]) == (2, 3, 500)


def test_an_empty_mailbox_has_advice_as_well() -> None:
    empty = Facts(0, 0, 0, 0, 0, 0, 0, 0)
    assert reasons(empty) == (Verdict.IMAP, ["usual"])
    assert reasons(empty, devices=1, offline=True, mobile=True) == (Verdict.IMAP, ["mobile.new"])


def test_seconds_of_a_line() -> None:
    assert seconds_at(8_000, 64_000) == 1.0
