"""What people may send, with smtplib on a running server: limits, others' names, mail that waits."""

from __future__ import annotations

import email
import email.policy
import json
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest


def postier(who: Any, *words: str) -> Any:
    """What `postier WORDS --json` prints, read."""
    return json.loads(run(who, *words, "--json"))


def run(who: Any, *words: str) -> str:
    """What `postier WORDS` prints about the server of `who`."""
    command = [sys.executable, "-m", "postier", *words, "--data", str(who.organisation.data)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def session(who: Any) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(who.host, who.port(587), "laptop.orchard.test", timeout=30) as client:
        client.starttls(context=who.organisation.tls())
        client.login(who.address, who.password)
        yield client


def send(client: smtplib.SMTP, sender: str, to: Sequence[str], *options: str, author: str = "") -> str:
    """The reply to the message; raises what smtplib makes of a refusal."""
    text = f"From: {author or sender}\r\nSubject: hello\r\n\r\nHello\r\n"
    client.ehlo_or_helo_if_needed()
    replies = [client.mail(sender, options), *(client.rcpt(path) for path in to)]
    for code, words in replies:
        if code != 250:
            client.rset()
            raise smtplib.SMTPResponseException(code, words)
    code, words = client.data(text.encode())
    if code != 250:
        raise smtplib.SMTPResponseException(code, words)
    return words.decode()


def wait_for(who: Any, count: int) -> list[bytes]:
    deadline = time.monotonic() + 30
    while len(found := who.messages()) < count and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(found) == count
    return found


@pytest.fixture
def boss(person: Any, world: Any) -> Iterator[Any]:
    """Postmaster for the time of a test."""
    boss = person()
    postier(boss, "user", "postmaster", boss.address)
    yield boss
    postier(boss, "user", "postmaster", f"{world.orchard.people[0]}@{world.orchard.domain}")


def test_smtplib_meets_the_limit_of_a_day_and_the_postmaster_hears_of_it(person: Any, boss: Any) -> None:
    anna, ben = person(), person()
    postier(anna, "user", "limit", anna.address, "--recipients", "5", "--new", "2")
    with session(anna) as client:
        for _ in range(4):
            send(client, anna.address, [ben.address])
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            send(client, anna.address, [ben.address, boss.address])
        assert refused.value.smtp_code == 451
        assert b"4.7.1 You may write to 5 recipients a day: 4 so far" in refused.value.smtp_error
        send(client, anna.address, [ben.address])
        postier(anna, "user", "limit", anna.address, "--recipients", "0")
        with pytest.raises(smtplib.SMTPResponseException, match="never wrote to before"):
            send(client, anna.address, [person().address, boss.address])
    assert len(ben.messages()) == 5
    assert postier(anna, "user", "limit", anna.address)["today"] == {"recipients": 5, "new": 1}
    notices = [email.message_from_bytes(each, policy=email.policy.default) for each in boss.messages()]
    assert [notice["Subject"] for notice in notices] == [
        f"{anna.address} has sent 80 % of a day's limit",
        f"{anna.address} has sent 100 % of a day's limit",
    ]


def test_sessions_at_once_share_what_is_left(person: Any) -> None:
    """The server has a process for each core, and each session lands where it lands."""
    anna, ben = person(), person()
    postier(anna, "user", "limit", anna.address, "--recipients", "25")
    replies: list[int] = []

    def work() -> None:
        with session(anna) as client:
            for _ in range(10):
                try:
                    send(client, anna.address, [ben.address])
                    replies.append(250)
                except smtplib.SMTPResponseException as refused:
                    replies.append(refused.smtp_code)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (replies.count(250), replies.count(451)) == (25, 35)
    assert len(ben.messages()) == 25


def test_a_colleague_writes_as_the_shared_account_once_that_is_allowed(person: Any) -> None:
    anna, ben = person(), person()
    name = f"sales-{anna.address}"
    postier(anna, "share", "add", name)
    with session(anna) as client:
        for sender, author in ((name, anna.address), (anna.address, name)):
            with pytest.raises(smtplib.SMTPResponseException) as refused:
                send(client, sender, [ben.address], author=author)
            assert refused.value.smtp_code == 550
            assert b"5.7.1 " in refused.value.smtp_error
            assert anna.address.encode() in refused.value.smtp_error
        postier(anna, "share", "send-as", name, anna.address)
        send(client, name, [ben.address])
        postier(anna, "share", "send-as", name, anna.address, "--remove")
        with pytest.raises(smtplib.SMTPResponseException, match=r"5\.7\.1"):
            send(client, name, [ben.address])
    assert len(ben.messages()) == 1


def test_a_message_waits_until_its_time_or_is_taken_back(person: Any) -> None:
    anna, ben = person(), person()
    with session(anna) as client:
        client.ehlo()
        longest, _ = client.esmtp_features["futurerelease"].split()
        assert int(longest) == 30 * 86_400
        with pytest.raises(smtplib.SMTPResponseException, match=r"5\.5\.4 Messages are held"):
            send(client, anna.address, [ben.address], f"HOLDFOR={int(longest) + 1}")
        reply = send(client, anna.address, [ben.address], "HOLDFOR=3600")
        assert ", leaves at 20" in reply
        send(client, anna.address, [ben.address], "HOLDFOR=3")
    assert ben.messages() == []
    trace = reply.split()[2].rstrip(",")
    assert "it is to leave later" in run(anna, "queue", "list", "--trace", trace)
    assert postier(anna, "queue", "cancel", "--trace", trace, "--yes")["left"] == 0
    assert postier(anna, "trace", trace)
    (message,) = wait_for(ben, 1)
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in message
    assert b"laptop.orchard.test" not in message
