"""Our policy on the verdicts, as a table."""

from __future__ import annotations

import pytest

from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy
from postier.mailauth.dmarc_record import parse_dmarc_record
from postier.mailauth.spf import Spf, SpfResult
from postier.mailauth.verdict import Action, decide

FAIL, PASS, NO_SPF = SpfResult(Spf.FAIL, "a.test"), SpfResult(Spf.PASS, "list.test"), SpfResult(Spf.NONE)


def failing(policy: Policy | None, *, testing: bool = False) -> DmarcResult:
    record = parse_dmarc_record(b"v=DMARC1; p=none; t=y" if testing else b"v=DMARC1; p=none")
    return DmarcResult(Dmarc.FAIL, "a.test", policy_domain="a.test", policy=policy, record=record)


SIGNED = (DkimResult(Dkim.PASS, "list.test"),)
BROKEN = (DkimResult(Dkim.FAIL, "a.test"),)


@pytest.mark.parametrize(
    ("spf", "dkim", "dmarc", "action"),
    [
        (NO_SPF, (), DmarcResult(Dmarc.NONE, "a.test"), Action.ACCEPT),
        (FAIL, BROKEN, DmarcResult(Dmarc.NONE, "a.test"), Action.ACCEPT),
        (NO_SPF, (), DmarcResult(Dmarc.TEMPERROR, "a.test"), Action.ACCEPT),
        (NO_SPF, (), failing(Policy.NONE), Action.ACCEPT),
        (NO_SPF, (), failing(Policy.QUARANTINE), Action.QUARANTINE),
        (NO_SPF, (), failing(Policy.QUARANTINE, testing=True), Action.ACCEPT),
        (NO_SPF, (), failing(Policy.REJECT), Action.REFUSE),
        (FAIL, BROKEN, failing(Policy.REJECT), Action.REFUSE),
        (PASS, BROKEN, failing(Policy.REJECT), Action.QUARANTINE),
        (FAIL, SIGNED, failing(Policy.REJECT), Action.QUARANTINE),
        (NO_SPF, (), failing(Policy.REJECT, testing=True), Action.QUARANTINE),
        (PASS, SIGNED, DmarcResult(Dmarc.PERMERROR, author_domains=2), Action.REFUSE),
        (PASS, SIGNED, DmarcResult(Dmarc.PERMERROR, author_domains=0), Action.QUARANTINE),
        (PASS, SIGNED, DmarcResult(Dmarc.PASS, "a.test"), Action.ACCEPT),
    ],
)
def test_decide(spf: SpfResult, dkim: tuple[DkimResult, ...], dmarc: DmarcResult, action: Action) -> None:
    verdict = decide(spf, dkim, dmarc)
    assert verdict.action is action
    assert (verdict.reply is not None) == (action is Action.REFUSE)


def test_the_reply_to_forged_mail() -> None:
    reply = decide(NO_SPF, (), failing(Policy.REJECT)).reply
    assert reply is not None
    assert str(reply).startswith("550 5.7.26 ")
