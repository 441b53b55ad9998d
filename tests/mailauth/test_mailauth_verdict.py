"""Our policy on the verdicts, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postier.mailauth.arc import Arc, ArcResult, ArcSet
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy
from postier.mailauth.dmarc_record import parse_dmarc_record
from postier.mailauth.evaluation import decode, encode, evaluation_of
from postier.mailauth.local_policy import LocalPolicy, parse_override
from postier.mailauth.spf import Spf, SpfResult
from postier.mailauth.verdict import Action, Found, Verdict, decide

FAIL, PASS, NO_SPF = SpfResult(Spf.FAIL, "a.test"), SpfResult(Spf.PASS, "list.test"), SpfResult(Spf.NONE)
LOCAL = LocalPolicy(forwarders=frozenset({"list.test"}))


def failing(policy: Policy | None, tags: bytes = b"") -> DmarcResult:
    record = parse_dmarc_record(b"v=DMARC1; p=none; " + tags)
    return DmarcResult(Dmarc.FAIL, "a.test", policy_domain="a.test", policy=policy, record=record)


REJECT = failing(Policy.REJECT)
SIGNED = (DkimResult(Dkim.PASS, "list.test"),)
OPEN_END = (DkimResult(Dkim.PASS, "list.test", body_length_short=True),)
BROKEN = (DkimResult(Dkim.FAIL, "a.test"),)


@pytest.mark.parametrize(
    ("spf", "dkim", "dmarc", "action"),
    [
        (NO_SPF, (), DmarcResult(Dmarc.NONE, "a.test"), Action.ACCEPT),
        (FAIL, BROKEN, DmarcResult(Dmarc.NONE, "a.test"), Action.ACCEPT),
        (NO_SPF, (), DmarcResult(Dmarc.TEMPERROR, "a.test"), Action.ACCEPT),
        (NO_SPF, (), failing(Policy.NONE), Action.ACCEPT),
        (NO_SPF, (), failing(Policy.QUARANTINE), Action.QUARANTINE),
        (NO_SPF, (), failing(Policy.QUARANTINE, b"t=y"), Action.ACCEPT),
        (NO_SPF, (), REJECT, Action.REFUSE),
        (FAIL, BROKEN, REJECT, Action.REFUSE),
        (PASS, BROKEN, REJECT, Action.QUARANTINE),
        (FAIL, SIGNED, REJECT, Action.QUARANTINE),
        (FAIL, OPEN_END, REJECT, Action.REFUSE),
        (NO_SPF, (), failing(Policy.REJECT, b"t=y"), Action.QUARANTINE),
        (PASS, SIGNED, DmarcResult(Dmarc.PERMERROR, author_domains=2), Action.REFUSE),
        (PASS, SIGNED, DmarcResult(Dmarc.PERMERROR, author_domains=0), Action.QUARANTINE),
        (PASS, SIGNED, DmarcResult(Dmarc.PASS, "a.test"), Action.ACCEPT),
    ],
)
def test_decide(spf: SpfResult, dkim: tuple[DkimResult, ...], dmarc: DmarcResult, action: Action) -> None:
    verdict = decide(Found(spf, dkim, dmarc), LOCAL)
    assert verdict.action is action
    assert (verdict.reply is not None) == (action is Action.REFUSE)


def test_the_reply_to_forged_mail() -> None:
    reply = decide(Found(NO_SPF, (), REJECT)).reply
    assert reply is not None
    assert str(reply).startswith("550 5.7.26 ")


def passing(domain: str) -> SpfResult:
    return SpfResult(Spf.PASS, domain)


@pytest.mark.parametrize(
    ("spf", "more", "action", "override"),
    [
        (passing("stranger.test"), {}, Action.REFUSE, ""),
        (passing("list.test"), {}, Action.QUARANTINE, "trusted_forwarder"),
        (passing("mx.list.test"), {}, Action.QUARANTINE, "trusted_forwarder"),
        (passing("evillist.test"), {}, Action.REFUSE, ""),
        (passing("googlegroups.com"), {}, Action.QUARANTINE, "trusted_forwarder"),
        (passing("news.test"), {"list_id": b" News <talk.news.test>"}, Action.QUARANTINE, "mailing_list"),
        (passing("mx.news.test"), {"list_id": b"<news.test>\r\n"}, Action.QUARANTINE, "mailing_list"),
        (passing("other.test"), {"list_id": b"<talk.news.test>"}, Action.REFUSE, ""),
        (passing("news.test"), {"list_id": b"<test>"}, Action.REFUSE, ""),
        (passing("news.test"), {"list_id": b"talk.news.test"}, Action.REFUSE, ""),
        (FAIL, {"list_id": b"<talk.news.test>"}, Action.REFUSE, ""),
        (passing("uni.test"), {"reverse_path": "SRS0=x=y=a.test=bo@uni.test"}, Action.QUARANTINE, "other"),
        (passing("uni.test"), {"reverse_path": "b+SRS=x=y=a.test=bo@uni.test"}, Action.QUARANTINE, "other"),
        (FAIL, {"reverse_path": "SRS0=x=y=a.test=bo@uni.test"}, Action.REFUSE, ""),
    ],
)
def test_who_keeps_mail_from_being_refused(
    spf: SpfResult, more: dict[str, object], action: Action, override: str
) -> None:
    verdict = decide(replace(Found(spf, BROKEN, REJECT), **more), LOCAL)  # type: ignore[arg-type]
    assert (verdict.action, verdict.override) == (action, override)


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (Found(SpfResult(Spf.TEMPERROR, "list.test"), (), REJECT), Action.QUARANTINE),
        (Found(NO_SPF, (DkimResult(Dkim.TEMPERROR, "list.test"),), REJECT), Action.QUARANTINE),
        (Found(SpfResult(Spf.TEMPERROR, "stranger.test"), (), REJECT), Action.REFUSE),
        (Found(SpfResult(Spf.PERMERROR, "list.test"), (), REJECT), Action.REFUSE),
    ],
)
def test_a_silent_dns_refuses_no_mail_of_those_that_are_known(found: Found, action: Action) -> None:
    assert decide(found, LOCAL).action is action


def chain(sealer: str, said: str, *, covers: bool = True) -> ArcResult:
    results = f"mx.{sealer}; dmarc={said} header.from=a.test"
    return ArcResult(Arc.PASS, sets=(ArcSet(sealer, "s", results),), covers_message=covers)


@pytest.mark.parametrize(
    ("arc", "policy", "action"),
    [
        (chain("list.test", "pass"), Policy.REJECT, Action.ACCEPT),
        (chain("list.test", "pass"), Policy.QUARANTINE, Action.ACCEPT),
        (chain("list.test", "fail"), Policy.REJECT, Action.QUARANTINE),
        (chain("list.test", "pass", covers=False), Policy.REJECT, Action.QUARANTINE),
        (chain("liar.test", "pass"), Policy.REJECT, Action.REFUSE),
        (chain("google.com", "pass"), Policy.REJECT, Action.QUARANTINE),
        (ArcResult(Arc.FAIL, "seal 1 did not verify"), Policy.REJECT, Action.REFUSE),
    ],
)
def test_what_a_chain_may_rescue(arc: ArcResult, policy: Policy, action: Action) -> None:
    assert decide(Found(FAIL, BROKEN, failing(policy), arc), LOCAL).action is action


@pytest.mark.parametrize(
    ("rules", "author", "action"),
    [
        (["a.test=accept"], "x@a.test", Action.ACCEPT),
        (["test=accept"], "x@a.test", Action.ACCEPT),
        (["ba.test=accept"], "x@a.test", Action.REFUSE),
        (["x@a.test=junk"], "X@a.test", Action.QUARANTINE),
        (["x@a.test=junk"], "y@a.test", Action.REFUSE),
        (["a.test/list.test=accept"], "x@a.test", Action.ACCEPT),
        (["a.test/crm.test=accept"], "x@a.test", Action.REFUSE),
        (["x@a.test=junk", "a.test=accept"], "x@a.test", Action.QUARANTINE),
    ],
)
def test_local_rules_by_domain_and_sender(rules: list[str], author: str, action: Action) -> None:
    local = LocalPolicy(overrides=tuple(map(parse_override, rules)))
    verdict = decide(Found(PASS, (), REJECT, author=author), local)
    assert verdict.action is action
    assert (verdict.override == "local_policy") == (action is not Action.REFUSE)


def test_a_local_rule_may_be_harder_than_the_owner() -> None:
    local = LocalPolicy(overrides=(parse_override("boss@a.test=refuse"),))
    verdict = decide(Found(PASS, (), failing(Policy.NONE), author="boss@a.test"), local)
    assert verdict.action is Action.REFUSE
    assert "local rule" in verdict.reason
    passed = Found(PASS, (), DmarcResult(Dmarc.PASS, "a.test"), author="boss@a.test")
    assert decide(passed, local).action is Action.ACCEPT


@pytest.mark.parametrize(
    "text", ["", "a.test", "a.test=drop", "@a.test=junk", "a b=junk", "a.test/=junk", "a.test/b/c=junk"]
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError):
        parse_override(text)


@pytest.mark.parametrize(
    ("tags", "sample", "action"),
    [
        (b"pct=25", 24, Action.REFUSE),
        (b"pct=25", 25, Action.QUARANTINE),
        (b"pct=0", 0, Action.QUARANTINE),
        (b"pct=100", 99, Action.REFUSE),
        (b"pct=0; t=n", 0, Action.REFUSE),  # RFC 9989 has t= in its place
        (b"pct=101", 99, Action.REFUSE),
    ],
)
def test_the_percentage_of_older_records(tags: bytes, sample: int, action: Action) -> None:
    verdict = decide(Found(NO_SPF, (), failing(Policy.REJECT, tags), sample=sample))
    assert verdict.action is action
    assert verdict.override == ("other" if action is Action.QUARANTINE else "")


@pytest.mark.parametrize(
    ("found", "disposition", "override"),
    [
        (Found(NO_SPF, (), DmarcResult(Dmarc.PASS, "a.test", spf_aligned=True)), "pass", ""),
        (Found(NO_SPF, (), failing(Policy.NONE)), "none", ""),
        (Found(NO_SPF, (), failing(Policy.QUARANTINE, b"t=y")), "none", "policy_test_mode"),
        (Found(PASS, OPEN_END, REJECT), "quarantine", "trusted_forwarder"),
        (Found(NO_SPF, BROKEN, REJECT), "reject", ""),
    ],
)
def test_the_evaluation_goes_to_the_store_and_back(found: Found, disposition: str, override: str) -> None:
    verdict: Verdict = decide(found, LOCAL)
    evaluation = evaluation_of(
        ip="192.0.2.1",
        helo="mx.a.test",
        envelope_from="b.test",
        spf=found.spf,
        dkim=found.dkim,
        dmarc=found.dmarc,
        arc=found.arc,
        verdict=verdict,
    )
    assert (evaluation.disposition, evaluation.override) == (disposition, override)
    assert evaluation.header_from == "a.test"
    assert (evaluation.policy is None) == (found.dmarc.record is None)
    assert decode(encode(evaluation)) == evaluation
    assert all(each.result != "pass" for each in evaluation.dkim)
    with pytest.raises(ValueError):
        decode(b"[1]")
