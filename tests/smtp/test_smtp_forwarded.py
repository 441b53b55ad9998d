"""Mail of strangers that an alias forwards: its reverse-path is one of ours, and leads back."""

from __future__ import annotations

import asyncio

import pytest

from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import inbound_session
from postier.testing.connection import MemoryConnection

EHLO = b"EHLO a.example\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
MESSAGE = b"From: Bob <bob@b.example>\r\nSubject: x\r\n\r\nHello\r\n.\r\n"


async def converse(settings, services, role: Role, *packets: bytes) -> str:
    connection = MemoryConnection(tls=role is Role.SUBMISSION)
    connection.start(inbound_session(settings, services, role))
    output = b""
    for packet in (EHLO, *packets):
        await connection.quiet()
        connection.feed(packet)
    await connection.quiet()
    return (output + connection.output() + await connection.finish()).decode()


def envelope(sender: str, *recipients: str) -> bytes:
    rcpts = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
    return f"MAIL FROM:<{sender}>\r\n{rcpts}DATA\r\n".encode()


def forwarded(
    world, sender: str, *recipients: str, role: Role = Role.MX, returned: str = "", **more
) -> tuple:
    """The queue's reverse-paths by destination, and what RCPT TO such a path answers from `returned`."""

    async def go():
        async with world.opened(trust_loopback=True, **more) as (settings, services):
            login = (LOGIN,) if role is Role.SUBMISSION else ()
            said = await converse(settings, services, role, *login, envelope(sender, *recipients), MESSAGE)
            assert "250 2.0.0 accepted" in said
            entries = await services.store.reader.queue_entries()
            paths = sorted((e.destination, e.reverse_path) for e in entries)
            answers = []
            for _, path in paths:
                if path.startswith("SRS"):
                    rcpt = f"MAIL FROM:<{returned}>\r\nRCPT TO:<{path}>\r\n".encode()
                    answers.append(await converse(settings, services, Role.MX, rcpt, b"DATA\r\n", MESSAGE))
            queue = [
                (e.reverse_path, [r.forward_path for r in e.recipients])
                for e in await services.store.reader.queue_entries()
            ]
            return paths, answers, queue[len(paths) :]

    return asyncio.run(go())


def test_a_strangers_path_becomes_one_of_ours_and_leads_back(world):
    paths, _, back = forwarded(world, "ann@a.example", "away@b.example")
    [(destination, path)] = paths
    assert destination == "else.example"
    assert path.startswith("SRS0=")
    assert path.endswith("=a.example=ann@b.example")
    assert back == [("", ["ann@a.example"])]


def test_a_return_address_is_no_way_to_write_to_its_owner(world):
    _, answers, back = forwarded(world, "ann@a.example", "away@b.example", returned="eve@e.example")
    assert "550 5.7.1 This address takes only what is returned" in answers[0]
    assert back == []


@pytest.mark.parametrize(
    ("sender", "role", "more"),
    [
        ("", Role.MX, {}),
        ("bob@b.example", Role.SUBMISSION, {}),
        ("carol@b.example", Role.MX, {}),
        ("ann@a.example", Role.MX, {"srs": False}),
        ("a" * 60 + "@a.example", Role.MX, {}),
    ],
)
def test_other_paths_stay_as_they_are(world, sender, role, more):
    paths, _, _ = forwarded(world, sender, "away@b.example", role=role, **more)
    assert paths == [("else.example", sender)]


def test_who_is_written_to_directly_sees_the_sender(world):
    """bob@else.example stands for itself and behind the alias: the first way counts, once."""
    paths, _, _ = forwarded(
        world, "bob@b.example", "bob@else.example", "away@b.example", role=Role.SUBMISSION
    )
    assert paths == [("else.example", "bob@b.example")]


@pytest.mark.parametrize("path", ["SRS0=AAAAAA=AA=a.example=ann", "srs1=x=y==z", "SRS0=x"])
def test_a_forged_return_address_is_unknown(world, path):
    async def go() -> str:
        async with world.opened(trust_loopback=True) as (settings, services):
            rcpt = f"MAIL FROM:<>\r\nRCPT TO:<{path}@b.example>\r\n".encode()
            without_key = await converse(settings, services, Role.MX, rcpt)
            await converse(settings, services, Role.MX, envelope("ann@a.example", "away@b.example"), MESSAGE)
            return without_key + await converse(settings, services, Role.MX, rcpt)

    assert asyncio.run(go()).count("550 5.1.1 No such address here") == 2
