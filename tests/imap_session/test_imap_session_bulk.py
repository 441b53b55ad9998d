"""Large messages, slow clients, damaged blobs, compression: bounded memory, and a stream in step."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import zlib
from collections import Counter
from typing import Any

import pytest

from postier.blobs.api import BlobUnreadable
from postier.imap.session import fetch_flags, selected
from postier.imap.session.context import Context

LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\0\r\n" * 200_000  # 3.8 MB


def test_a_large_body_waits_for_a_client_that_does_not_read(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.deliver(LARGE)
        client = await world.client(b"SELECT INBOX")
        connection = client.connection
        connection.stall()
        connection.feed(b"f FETCH 1 BODY.PEEK[]\r\n")
        await connection.quiet()
        assert 0 < len(connection.wire.backlog) < 1_000_000
        connection.flow()
        await connection.quiet()
        answer = connection.output()
        head = b"* 1 FETCH (BODY[] {%d}\r\n" % len(LARGE)
        assert answer == head + LARGE.replace(b"\0", b"\x80") + b")\r\nf OK Done\r\n"

    in_world(test)


def test_parts_of_a_large_body(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.deliver(LARGE)
        client = await world.client(b"SELECT INBOX")
        shown = LARGE.replace(b"\0", b"\x80")
        for first, length in ((0, 10), (1_000_000, 400_000), (len(LARGE) - 3, 100), (len(LARGE) + 9, 1)):
            answer = await client.command(b"FETCH 1 BODY.PEEK[]<%d.%d>" % (first, length))
            piece = shown[first : first + length]
            start = min(first, len(LARGE)) if piece else first
            assert answer == b"* 1 FETCH (BODY[]<%d> {%d}\r\n%b)\r\n" % (start, len(piece), piece)

    in_world(test)


def test_many_messages_leave_in_batches(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        for _ in range(9):
            await client.command(b"COPY 1:* INBOX")
        count = 3 * 2**9
        answer = await client.command(b"FETCH 1:* (FLAGS UID)")
        lines = answer.splitlines()
        assert [int(line.split()[1]) for line in lines] == list(range(1, count + 1))
        bodies = await client.command(b"FETCH 1:* (UID BODY.PEEK[TEXT])")
        assert bodies.count(b"Inside text") == count // 3
        found = await client.command(b"SEARCH TEXT Inside")
        assert found == b"* SEARCH " + b" ".join(b"%d" % n for n in range(3, count + 1, 3)) + b"\r\n"
        odd = b",".join(b"%d" % n for n in range(1, count, 2))
        answer = await client.command(b"UID FETCH %b UID" % odd)
        assert len(answer.splitlines()) == count // 2

    in_world(test)


def test_a_message_that_cannot_be_read_spoils_only_itself(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        blobs = type(world.services.blobs)
        read = blobs.read

        async def damaged(self: Any, ref: Any, start: int = 0, end: int | None = None) -> bytes:
            if ref.size == len(world.mixed):
                raise BlobUnreadable("pack 1 at 0: checksum")
            return bytes(await read(self, ref, start, end))

        monkeypatch.setattr(blobs, "read", damaged)
        answer = await client.attempt(b"FETCH 1:3 BODY.PEEK[TEXT]")
        assert b"* 1 FETCH (BODY[TEXT] {" in answer
        assert b"* 2 FETCH" not in answer
        assert b"* 3 FETCH (BODY[TEXT] {" in answer
        assert answer.endswith(b"c3 NO [CORRUPTION] A message cannot be read\r\n")
        assert await client.command(b"NOOP") == b""

    in_world(test)


def test_a_large_message_that_breaks_off_ends_the_connection(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        await world.deliver(LARGE)
        client = await world.client(b"SELECT INBOX")

        async def broken(self: Any, ref: Any, start: int = 0, end: int | None = None) -> Any:
            yield b"x" * 1000
            raise BlobUnreadable("pack 1 at 0: checksum")

        monkeypatch.setattr(type(world.services.blobs), "stream", broken)
        answer = await client.attempt(b"FETCH 1 BODY.PEEK[]")
        assert b"c3 " not in answer
        assert client.connection.wire.aborted

    in_world(test)


def test_search_finds_text_across_the_pieces_of_a_large_part(in_world: Any) -> None:
    async def test(world: Any) -> None:
        line = "Zwölf Boxkämpfer jagen Viktor.\r\n".encode()
        body = line * 60_000  # 2 MB: read in pieces
        border = 256 * 1024
        head = b"Subject: large\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        middle = body[: border - len(head) - 3] + "GRÜẞE".encode() + body[border:]
        await world.deliver(head + middle)
        client = await world.client(b"SELECT INBOX")
        for words, found in (("grüsse", b" 1"), ("boxkämpfer JAGEN", b" 1"), ("grüße an", b"")):
            octets = words.encode()
            answer = await client.command(b"SEARCH BODY {%d+}\r\n%b" % (len(octets), octets))
            assert answer == b"* SEARCH%b\r\n" % found

    in_world(test)


def test_compress(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client()
        assert (await client.attempt(b"COMPRESS LZW")).startswith(b"c2 NO ")
        assert await client.attempt(b"COMPRESS DEFLATE") == b"c3 OK DEFLATE active\r\n"
        pack, unpack = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)

        async def command(text: bytes) -> bytes:
            return unpack.decompress(await client.send(pack.compress(text) + pack.flush(zlib.Z_SYNC_FLUSH)))

        assert (await command(b"a SELECT INBOX\r\n")).endswith(b"a OK [READ-WRITE] Selected\r\n")
        assert b"brown fox" in await command(b"b FETCH 1 BODY[]\r\n")
        assert (await command(b"c COMPRESS DEFLATE\r\n")).startswith(b"c NO [COMPRESSIONACTIVE]")
        assert b"COMPRESS" not in await command(b"d CAPABILITY\r\n")
        await command(b"e IDLE\r\n")
        await world.deliver(world.plain)
        assert b"* 4 EXISTS\r\n" in unpack.decompress(await client.news())

    in_world(test)


def test_what_an_idle_session_holds(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        filler = await world.client(b"SELECT INBOX")
        for _ in range(11):
            await filler.command(b"COPY 1:* INBOX")  # 6,144 messages

        async def start() -> Any:
            client = await world.client(b"SELECT INBOX", b"FETCH 1:* UID")
            await client.send(b"i IDLE\r\n")
            return client

        kept = [await start() for _ in range(3)]
        gc.collect()
        tracemalloc.start()
        kept += [await start() for _ in range(20)]
        gc.collect()
        each = tracemalloc.get_traced_memory()[0] / 20
        tracemalloc.stop()
        assert each < 20_000, f"{each:.0f} octets for each idle session"

    in_world(test)


def test_a_client_that_never_reads_is_dropped_and_held_up_nobody(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.deliver(LARGE)
        deaf, other = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        deaf.connection.stall()
        deaf.connection.feed(b"f FETCH 1 BODY[]\r\n")
        await deaf.connection.quiet()
        assert b"\\Flagged" in await other.command(b"STORE 1 +FLAGS \\Flagged")
        await other.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        assert b"* 1 EXPUNGE" in await other.command(b"EXPUNGE")
        assert not deaf.connection.closed
        await deaf.connection.elapse(61)
        assert deaf.connection.closed
        await other.command(b"APPEND INBOX {1+}\r\nx")

    in_world(test)


def test_many_flags_leave_in_batches(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads slowly is waited for between them."""

    async def test(world: Any) -> None:
        monkeypatch.setattr(fetch_flags, "LINES", 100)
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        for _ in range(9):
            await client.command(b"COPY 1:* INBOX")
        count = 3 * 2**9
        sizes: list[int] = []
        offer = Context.offer

        async def measuring(self: Context, pieces: list[bytes]) -> None:
            sizes.append(len(pieces))
            await offer(self, pieces)

        monkeypatch.setattr(Context, "offer", measuring)
        told = await client.command(b"STORE 1:* +FLAGS (\\Flagged)")
        assert [int(line.split()[1]) for line in told.splitlines()] == list(range(1, count + 1))
        assert sum(sizes) == count
        assert max(sizes) == 100

    in_world(test)


def test_news_of_many_flags_leave_turns_to_others(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        monkeypatch.setattr(selected, "LINES", 100)
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        for _ in range(9):
            await two.command(b"COPY 1:* INBOX")
        await one.command(b"NOOP")
        await two.command(b"STORE 1:* +FLAGS.SILENT (\\Flagged)")
        turn, made = 0, Counter[int]()
        line = selected.Selected.fetch_flags_line

        def counting(self: Any, *arguments: Any) -> bytes:
            made[turn] += 1
            return line(self, *arguments)

        async def clockwork() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        monkeypatch.setattr(selected.Selected, "fetch_flags_line", counting)
        others = asyncio.create_task(clockwork())
        assert (await one.command(b"NOOP")).count(b" FETCH (") == sum(made.values()) == 3 * 2**9
        others.cancel()
        assert max(made.values()) == 100

    in_world(test)
