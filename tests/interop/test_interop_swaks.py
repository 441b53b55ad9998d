"""swaks: the SMTP dialogue step by step, as a postmaster tries a server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

CONNECTION_FAILED, MAIL_REFUSED, RCPT_REFUSED, DATA_REFUSED, AUTH_FAILED = 2, 23, 24, 26, 28
TLS_FAILED = 29
GUESSER = "127.0.0.72"
"""Wrong passwords come from here, so that the back-off does not slow the other tests."""


@pytest.fixture(autouse=True)
def _swaks(need: Callable[[str], None]) -> None:
    need("swaks")


@pytest.fixture
def swaks(shell: Any) -> Callable[..., str]:
    """Runs swaks at one of a person's ports; returns the transcript."""

    def talk(who: Any, port: int, *options: str, **rest: Any) -> str:
        server = ["--server", who.host, "--port", str(who.port(port)), "--timeout", "20"]
        transcript: bytes = shell.run(
            "swaks", *server, "--ehlo", "probe.elsewhere.test", *options, **rest
        ).stdout
        return transcript.decode("utf-8", "replace")

    return talk


def _login(who: Any, mechanism: str = "PLAIN") -> list[str]:
    return ["--auth", mechanism, "--auth-user", who.address, "--auth-password", who.password]


def _verified(who: Any) -> list[str]:
    return ["--tls-verify", "--tls-ca-path", who.ca]


def test_port_25_takes_mail_for_us_in_clear_and_over_tls(swaks: Any, person: Any) -> None:
    bob = person()
    envelope = ["--from", "zoe@elsewhere.test", "--to", bob.address]
    for number, tls in enumerate((["--protocol", "ESMTP"], ["--tls", *_verified(bob)]), start=1):
        transcript = swaks(bob, 25, *envelope, *tls, "--body", f"number {number}")
        assert re.search(r"<[~-]  250 2\.0\.0 ", transcript)
    stored = bob.messages()
    assert [re.findall(rb"number \d", message) for message in stored] == [[b"number 1"], [b"number 2"]]
    assert b"with ESMTPS" in stored[1]
    assert b"with ESMTP " in stored[0].replace(b"\r\n", b" ")


def test_helo_alone_is_enough(swaks: Any, person: Any) -> None:
    bob = person()
    swaks(bob, 25, "--protocol", "SMTP", "--from", "zoe@elsewhere.test", "--to", bob.address)
    assert len(bob.messages()) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("port", "tls"), [(587, "--tls"), (465, "--tlsc")])
def test_submission_with_login(swaks: Any, person: Any, mechanism: str, port: int, tls: str) -> None:
    alice, bob = person(), person()
    transcript = swaks(
        alice, port, tls, *_verified(alice), *_login(alice, mechanism),
        "--from", alice.address, "--to", bob.address, "--body", "through submission",
    )  # fmt: skip
    assert "235 2.7.0" in transcript
    (stored,) = bob.messages()
    assert b"through submission" in stored
    assert b"with ESMTPSA" in stored


def test_pipelining(swaks: Any, person: Any) -> None:
    first, second = person(), person()
    recipients = f"{first.address},nobody@orchard.test,{second.address}"
    transcript = swaks(first, 25, "--pipeline", "--from", "zoe@elsewhere.test", "--to", recipients)
    assert "250-PIPELINING" in transcript
    assert transcript.count("<** 550 5.1.1 ") == 1
    assert (len(first.messages()), len(second.messages())) == (1, 1)


def test_a_wrong_password_is_refused_with_535(swaks: Any, person: Any) -> None:
    alice = person()
    login = ["--auth", "PLAIN", "--auth-user", alice.address, "--auth-password", "wrong", "-li", GUESSER]
    transcript = swaks(
        alice, 465, "--tlsc", *login, "--from", alice.address, "--to", alice.address, ends=(AUTH_FAILED,)
    )
    assert "<~* 535 5.7.8 " in transcript


def test_an_unknown_login_is_refused_like_a_wrong_password(swaks: Any, person: Any) -> None:
    alice = person()
    login = [
        "--auth",
        "LOGIN",
        "--auth-user",
        "nobody@orchard.test",
        "--auth-password",
        "wrong",
        "-li",
        GUESSER,
    ]
    transcript = swaks(
        alice, 465, "--tlsc", *login, "--from", alice.address, "--to", alice.address, ends=(AUTH_FAILED,)
    )
    assert "<~* 535 5.7.8 " in transcript


def test_login_is_not_offered_before_tls(swaks: Any, person: Any) -> None:
    alice = person()
    transcript = swaks(
        alice, 587, *_login(alice), "--from", alice.address, "--to", alice.address, ends=(AUTH_FAILED,)
    )
    assert re.search(r"<-  250[- ]STARTTLS", transcript)
    assert "AUTH" not in "".join(line for line in transcript.splitlines() if line.startswith("<"))


def test_submission_without_login_is_refused(swaks: Any, person: Any) -> None:
    alice = person()
    transcript = swaks(
        alice, 587, "--tls", "--from", alice.address, "--to", alice.address, ends=(MAIL_REFUSED,)
    )
    assert "<~* 530 5.7.0 " in transcript


def test_relaying_is_refused(swaks: Any, person: Any) -> None:
    bob = person()
    transcript = swaks(
        bob, 25, "--from", "zoe@elsewhere.test", "--to", "someone@example.net", ends=(RCPT_REFUSED,)
    )
    assert re.search(r"<\*\* 550 5\.7\.1 ", transcript)


def test_a_sender_that_is_not_ones_own_is_refused(swaks: Any, person: Any) -> None:
    alice, bob = person(), person()
    transcript = swaks(
        alice,
        465,
        "--tlsc",
        *_login(alice),
        "--from",
        bob.address,
        "--to",
        alice.address,
        ends=(MAIL_REFUSED,),
    )
    assert "<~* 550 5.7.1 " in transcript
    forged = swaks(
        alice, 465, "--tlsc", *_login(alice), "--from", alice.address, "--to", alice.address,
        "--header", f"From: {bob.address}", ends=(DATA_REFUSED,),
    )  # fmt: skip
    assert "<~* 550 5.7.1 " in forged
    assert alice.messages() == []


def test_bounces_come_in_under_the_null_path(swaks: Any, person: Any) -> None:
    bob = person()
    swaks(bob, 25, "--from", "<>", "--to", bob.address, "--header", "From: mailer-daemon@elsewhere.test")
    (stored,) = bob.messages()
    assert stored.startswith(b"Return-Path: <>\r\n")


def test_dots_and_eight_bit_survive(swaks: Any, person: Any) -> None:
    bob = person()
    body = ".\n..\n.dot\nété\n"
    swaks(
        bob, 25, "--from", "zoe@elsewhere.test", "--to", bob.address,
        "--data", "From: zoe@elsewhere.test\nTo: x@orchard.test\nSubject: dots\n\n" + body,
    )  # fmt: skip
    (stored,) = bob.messages()
    got = stored.partition(b"Subject: dots\r\n\r\n")[2]
    assert got.rstrip(b"\r\n") == body.strip().encode().replace(b"\n", b"\r\n")


def test_the_certificate_of_a_stranger_is_not_taken_for_ours(swaks: Any, person: Any, world: Any) -> None:
    alice = person()
    other = str(world.harbor.data / "tls" / "ca.pem")
    swaks(
        alice, 465, "--tlsc", "--tls-verify", "--tls-ca-path", other, "--quit-after", "EHLO",
        ends=(TLS_FAILED, CONNECTION_FAILED),
    )  # fmt: skip
