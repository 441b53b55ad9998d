"""The story of what comes in: its steps once and with the message, refusals with a trace to quote."""

from __future__ import annotations

import asyncio
import dataclasses
import re

import pytest

from postier.smtp.inbound.dialogue import Role
from postier.store.api import Step, StepKind, StoreUnavailable
from postier.story.facts import FACTS

EHLO = b"EHLO a.example\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
MESSAGE = b"From: A <a@a.example>\r\nTo: bob@b.example\r\nMessage-ID: <Plums@a.example>\r\n\r\nHello\r\n.\r\n"
SUBMITTED = b"From: Bob <bob@b.example>\r\nMessage-ID: <1@b.example>\r\n\r\nHello\r\n.\r\n"
NOW = 1_794_312_000
TRUST = {"trust_loopback": True}


def envelope(*recipients: str, sender: str = "a@a.example") -> bytes:
    rcpt = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
    return f"MAIL FROM:<{sender}>\r\n{rcpt}".encode()


def play(
    world,
    said: list[bytes],
    role: Role = Role.MX,
    *,
    stored=None,
    change=lambda services: services,
    **settings,
):
    """What was answered, the stories in the store, and what was noted."""
    noted: list[Step] = []
    stories: dict[str, list[Step]] = {}

    async def look(services) -> None:
        for trace_id in await services.store.reader.traces(None, ""):
            stories[trace_id] = await services.store.reader.steps(trace_id)

    def noting(services):
        return dataclasses.replace(change(services), note_step=noted.append)

    tls = role is Role.SUBMISSION
    output, found = asyncio.run(world.converse(said, role, tls=tls, change=noting, after=look, **settings))
    if stored is not None:
        stored += found
    for step in (*noted, *(step for steps in stories.values() for step in steps)):
        assert step.facts.keys() <= FACTS.keys()
    return output, stories, noted


def kinds(steps: list[Step]) -> list[str]:
    return [step.kind.value for step in steps]


def test_what_is_accepted_begins_its_story_under_the_trace_of_the_reply(world):
    said = [EHLO, envelope("bob@b.example") + b"DATA\r\n", MESSAGE]
    stored: list = []
    output, stories, noted = play(world, said, stored=stored, **TRUST)
    trace_id = re.search(r"250 2\.0\.0 accepted (\w+)", output)[1]
    [(found, [accepted, delivered])] = stories.items()
    [message] = stored
    assert found == trace_id
    assert accepted.kind is StepKind.ACCEPTED
    assert accepted.when == NOW
    session = accepted.facts["session"]
    assert accepted.facts == {
        "session": session,
        "role": "mx",
        "peer": "192.0.2.1",
        "helo": "a.example",
        "sender": "a@a.example",
        "message_id": "Plums@a.example",
        "size": str(len(message.data)),
    }
    assert delivered.kind is StepKind.DELIVERED
    assert delivered.facts["recipient"] == "bob@b.example"
    assert delivered.facts["mailbox"] == "INBOX"
    assert delivered.facts["account"].isdecimal()
    assert noted == []


@pytest.mark.parametrize("chunks", [[b"BDAT 106 LAST\r\n"], [b"BDAT 50\r\n", b"BDAT 56 LAST\r\n"]])
def test_bdat_names_the_trace_as_well(world, chunks):
    body, said = MESSAGE[:-3] + b"More text.\r\n", []
    body = body[:106].ljust(106, b"x")
    for command in chunks:
        size = int(command.split()[1])
        said.append(command + body[:size])
        body = body[size:]
    output, stories, _ = play(world, [EHLO, envelope("bob@b.example"), *said], **TRUST)
    assert re.findall(r"250 2\.0\.0 accepted (\w+)", output) == list(stories)


def test_one_step_for_each_mailbox_and_for_each_recipient(world):
    said = [
        EHLO,
        envelope("bob@b.example", "team@b.example", "bob+x@b.example", "away@b.example"),
        b"DATA\r\n",
    ]
    _, stories, _ = play(world, [*said, MESSAGE], **TRUST)
    [[accepted, *steps]] = stories.values()
    delivered = [step.facts for step in steps if step.kind is StepKind.DELIVERED]
    by_recipient = [(each["recipient"].partition("@")[0], each["account"]) for each in delivered]
    bob = delivered[0]["account"]
    carol = delivered[1]["account"]
    assert by_recipient == [("bob", bob), ("team", carol), ("bob+x", bob), ("away", bob)]
    [queued] = [step.facts for step in steps if step.kind is StepKind.QUEUED]
    assert queued == {"recipient": "bob@else.example", "destination": "else.example", "entry": "1"}
    assert "recipient" not in accepted.facts


def test_submitted_mail_is_queued_once_for_each_recipient(world):
    said = [
        EHLO,
        LOGIN,
        envelope("x@else.example", "y@else.example", "z@third.example", sender="bob@b.example"),
    ]
    _, stories, _ = play(world, [*said, b"DATA\r\n", SUBMITTED], Role.SUBMISSION)
    [[accepted, *queued]] = stories.values()
    assert accepted.facts["login"] == "bob@b.example"
    assert accepted.facts["tls"].startswith("TLS")
    assert accepted.facts["role"] == "submission"
    assert [step.facts["recipient"] for step in queued] == [
        "x@else.example",
        "y@else.example",
        "z@third.example",
    ]
    assert len({step.facts["entry"] for step in queued}) == 2


def test_the_verdicts_and_the_junk_folder(world):
    world.zone.update(
        {
            "a.example": [("TXT", b"v=spf1 -all")],
            "_dmarc.a.example": [("TXT", b"v=DMARC1; p=quarantine")],
        }
    )
    said = [EHLO, envelope("bob@b.example"), b"DATA\r\n", MESSAGE]
    _, stories, _ = play(world, said)
    [[accepted, filtered, delivered]] = stories.values()
    assert accepted.facts["spf"] == "fail a.example"
    assert accepted.facts["dkim"] == "none"
    assert accepted.facts["dmarc"] == "fail a.example (quarantine asked for)"
    assert filtered.kind is StepKind.FILTERED
    assert filtered.facts["mailbox"] == delivered.facts["mailbox"] == "Junk"
    assert "quarantine" in filtered.facts["reason"]


def test_a_refused_recipient_can_quote_the_trace(world):
    said = [EHLO, envelope("nobody@b.example", "bob@b.example", "x@else.example"), b"DATA\r\n", MESSAGE]
    output, stories, noted = play(world, said, **TRUST)
    [trace_id] = stories
    assert f"550 5.1.1 No such address here [trace {trace_id}]\r\n" in output
    assert output.count(f"[trace {trace_id}]") == 2
    assert [step.trace_id for step in noted] == [trace_id] * 2
    assert kinds(noted) == ["refused", "refused"]
    first = noted[0].facts
    assert first["recipient"] == "nobody@b.example"
    assert first["verb"] == "RCPT"
    assert first["reply"] == "550 5.1.1 No such address here"
    assert first["status"] == "5.1.1"
    assert first["sender"] == "a@a.example"


def test_a_refused_sender_can_quote_the_session(world):
    said = [EHLO, b"MAIL FROM:<a@a.example> SIZE=60000000\r\n"]
    output, stories, [step] = play(world, said, **TRUST)
    assert f"552 5.3.4 The message is too big [trace {step.facts['session']}]\r\n" in output
    assert step.trace_id == step.facts["session"]
    assert step.facts["sender"] == "a@a.example"
    assert stories == {}


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 300 LAST\r\n", b"BDAT 300\r\n"])
def test_a_message_that_is_too_big_can_quote_the_trace(world, command):
    body = b"x" * 300 if command.startswith(b"BDAT") else b"x" * 300 + b"\r\n.\r\n"
    said = [EHLO, envelope("bob@b.example"), command, body]
    output, stories, [step] = play(world, said, max_message_size=200, **TRUST)
    assert f"552 5.3.4 The message is too big [trace {step.trace_id}]\r\n" in output
    assert step.kind is StepKind.REFUSED
    assert stories == {}


def test_a_full_store_defers_and_leaves_no_step(world):
    class Full:
        def __init__(self, store):
            self.reader = store.reader

        async def transact(self, work, *, durable=True):
            raise StoreUnavailable("full /secret/path")

    def change(services):
        return dataclasses.replace(services, store=Full(services.store))

    said = [EHLO, envelope("bob@b.example"), b"DATA\r\n", MESSAGE]
    output, stories, [step] = play(world, said, change=change, **TRUST)
    assert f"451 4.3.0 Not possible at the moment, try again later [trace {step.trace_id}]\r\n" in output
    assert "secret" not in output
    assert step.kind is StepKind.DEFERRED
    assert step.facts["verb"] == "DATA"
    assert stories == {}


def test_a_message_with_a_bare_newline_is_refused_in_its_story(world):
    said = [EHLO, envelope("bob@b.example"), b"DATA\r\n", b"From: a\n.\n\r\n.\r\n"]
    output, stories, [step] = play(world, said, **TRUST)
    assert "\r\n554 5.5.2 " in output
    assert step.kind is StepKind.REFUSED
    assert step.facts["sender"] == "a@a.example"
    assert "bare" in step.facts["reason"]
    assert stories == {}


def test_who_has_not_introduced_itself_has_no_story(world):
    output, _, noted = play(world, [b"MAIL FROM:<a@a.example>\r\n"], **TRUST)
    assert "503" in output
    assert noted == []


def test_a_long_refusal_names_its_trace_in_a_line_of_its_own(world):
    from postier.base.status import Reply
    from postier.smtp.inbound.story import _naming

    short = _naming(Reply(550, "5.7.1", "x" * 440), "t" * 16)
    long = _naming(Reply(550, "5.7.1", "x" * 441), "t" * 16)
    assert short.text == "x" * 440 + " [trace tttttttttttttttt]"
    assert long.text == "x" * 441 + "\n[trace tttttttttttttttt]"
    assert (
        max(len(line) for each in (short, long) for line in each.text.split("\n")) + len("550 5.7.1 \r\n")
        <= 512
    )
