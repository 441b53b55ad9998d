"""Changing a zone over the wire, against a small server: what is signed, what is refused, what is atomic."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from postier.dns.edit import IsAlias, NotInZones, RecordSet, UpdateError, ZoneChange
from postier.dns.update import TsigKey, ZoneUpdater, parse_key_file
from postier.testing.dns_update import UpdateServer

KEY = TsigKey("postier.key", "hmac-sha256", b"0123456789abcdef")
SECRET = base64.b64encode(KEY.secret).decode()
LONG = "v=DKIM1; k=rsa; p=" + "A" * 400


def on_server(
    work: Callable[[ZoneUpdater, UpdateServer], Awaitable[Any]], *, key: TsigKey = KEY, **options: Any
) -> Any:
    async def run() -> Any:
        records = {
            ("a.example", "TXT"): ['"v=spf1 -all"', '"other=1" "and more"'],
            ("www.a.example", "CNAME"): ["a.example."],
            ("a.example", "MX"): ["10 mail.a.example."],
        }
        async with UpdateServer("a.example", KEY, records) as server:
            return await work(ZoneUpdater(("127.0.0.1", server.port), key, timeout=2, **options), server)

    return asyncio.run(run())


def fails(work: Callable[[ZoneUpdater, UpdateServer], Awaitable[Any]], **options: Any) -> str:
    with pytest.raises(UpdateError) as caught:
        on_server(work, **options)
    return str(caught.value)


async def read_spf(updater: ZoneUpdater, server: UpdateServer) -> RecordSet:
    return await updater.read("a.example", "TXT")


def test_records_are_read_as_they_are_meant() -> None:
    found = on_server(read_spf)
    assert [record.value for record in found.records] == ["other=1and more", "v=spf1 -all"]
    assert found.ttl == 600
    mx = on_server(lambda updater, _: updater.read("a.example", "MX"))
    assert [record.value for record in mx.records] == ["10 mail.a.example"]
    assert on_server(lambda updater, _: updater.read("x.a.example", "TXT")).records == ()


def test_an_alias_is_told_apart_from_nothing() -> None:
    with pytest.raises(IsAlias):
        on_server(lambda updater, _: updater.read("www.a.example", "TXT"))
    alias = on_server(lambda updater, _: updater.read("www.a.example", "CNAME"))
    assert [record.value for record in alias.records] == ["a.example"]


def test_one_record_goes_and_one_comes_and_the_others_stay() -> None:
    async def work(updater: ZoneUpdater, server: UpdateServer) -> list[str]:
        before = await updater.read("a.example", "TXT")
        await updater.change("a.example", [ZoneChange(before, before.records[1:], (LONG,))])
        return server.records[("a.example", "TXT")]

    kept, long = on_server(work)
    assert kept == '"other=1" "and more"'
    assert [len(piece) for piece in long.strip('"').split('" "')] == [255, len(LONG) - 255]


def test_what_has_changed_meanwhile_is_not_overwritten() -> None:
    async def work(updater: ZoneUpdater, server: UpdateServer) -> None:
        before = await updater.read("a.example", "TXT")
        new = await updater.read("new.a.example", "TXT")
        server.before_update = lambda: server.records.update({("new.a.example", "TXT"): ['"theirs"']})
        changes = [ZoneChange(before, before.records[:1]), ZoneChange(new, (), ("ours",))]
        try:
            await updater.change("a.example", changes)
        finally:
            assert len(server.records[("a.example", "TXT")]) == 2
            assert server.records[("new.a.example", "TXT")] == ['"theirs"']

    assert "somebody has changed the zone meanwhile" in fails(work)

    async def other(updater: ZoneUpdater, server: UpdateServer) -> None:
        before = await updater.read("a.example", "TXT")
        server.records[("a.example", "TXT")].append('"x"')
        await updater.change("a.example", [ZoneChange(before, (), ("ours",))])

    assert "somebody has changed the zone meanwhile" in fails(other)


def test_an_answer_without_a_signature_counts_for_nothing() -> None:
    async def work(updater: ZoneUpdater, server: UpdateServer) -> None:
        server.signs = False
        await updater.read("a.example", "TXT")

    assert "cannot be believed" in fails(work)


@pytest.mark.parametrize(
    "key", [replace(KEY, secret=b"another"), replace(KEY, name="other.key")], ids=["secret", "name"]
)
def test_a_wrong_key_is_said_without_the_secret(key: TsigKey) -> None:
    said = fails(read_spf, key=key)
    assert "does not take the key" in said or "does not know the key" in said
    assert SECRET not in said + repr(key)
    assert "another" not in said


def test_a_server_that_is_not_there() -> None:
    updater = ZoneUpdater(("127.0.0.1", 9), KEY, timeout=1)
    with pytest.raises(UpdateError, match="cannot be asked"):
        asyncio.run(updater.read("a.example", "TXT"))


def test_a_server_that_says_nothing() -> None:
    async def run() -> None:
        held: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
        updater = ZoneUpdater(server.sockets[0].getsockname()[:2], KEY, timeout=0.05)
        try:
            await updater.read("a.example", "TXT")
        finally:
            for writer in held:
                writer.close()
            server.close()

    with pytest.raises(UpdateError, match="does not answer in time"):
        asyncio.run(run())


def test_the_zone_of_a_name_is_found_or_given() -> None:
    for name in ("a.example", "x.a.example", "deep.below.a.example"):
        assert on_server(lambda updater, _, n=name: updater.zone_of(n)) == "a.example"
    assert (
        on_server(lambda updater, _: updater.zone_of("x.b.a.example"), zone="B.a.example.") == "b.a.example"
    )
    for name, options in (("b.example", {}), ("a.example", {"zone": "b.example"})):
        with pytest.raises(NotInZones):
            on_server(lambda updater, _, n=name: updater.zone_of(n), **options)


@pytest.mark.parametrize(
    ("text", "name", "algorithm"),
    [
        (f'key "postier.key" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n', "", "hmac-sha512"),
        (f"key postier.key {{ secret {SECRET}; }};", "other", "hmac-sha256"),
        (f"{SECRET}\n", "postier.key", "hmac-sha256"),
    ],
)
def test_key_files(text: str, name: str, algorithm: str) -> None:
    assert parse_key_file(text, name) == replace(KEY, algorithm=algorithm)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (SECRET, "", "no name"),
        ("", "k", "no secret"),
        ("not base64!", "k", "no secret"),
        (f'key "k" {{ algorithm hmac-md5; secret "{SECRET}"; }};', "", "algorithm"),
    ],
)
def test_key_files_that_are_none(text: str, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_key_file(text, name)
    assert SECRET not in str(caught.value)
