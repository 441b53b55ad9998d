"""UNAUTHENTICATE: nothing of a login survives it, whatever a session remembers (RFC 8437)."""

from __future__ import annotations

import zlib
from typing import Any, cast

from postier.imap.session.context import OF_THE_CONNECTION, Context
from postier.imap.wire.core import ImapServer
from postier.store import api as store

PLAIN = b"b AUTHENTICATE PLAIN AGJvYkBiLmV4YW1wbGUAc2VjcmV0\r\n"


def test_all_that_a_context_remembers_is_forgotten_unless_it_is_the_connections() -> None:
    given = cast(Any, object())
    context = Context(given, ImapServer(), given, given)
    fresh = {name: getattr(context, name) for name in Context.__slots__}
    for name in set(Context.__slots__) - {"selected", "watch", "meter", "progress"} - set(OF_THE_CONNECTION):
        setattr(context, name, "left over")
    context.end_login()
    assert {name: getattr(context, name) for name in Context.__slots__} == fresh


def compressor() -> Any:
    return zlib.compressobj(wbits=-15)


def test_compression_ends_with_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        client = await world.client(b"COMPRESS DEFLATE")
        pack, unpack = compressor(), zlib.decompressobj(wbits=-15)
        answer = await client.send(pack.compress(b"a UNAUTHENTICATE\r\n") + pack.flush(zlib.Z_SYNC_FLUSH))
        assert unpack.decompress(answer).startswith(b"a OK ")
        assert (unpack.eof, unpack.unused_data) == (True, b"")
        assert (await client.send(PLAIN)).startswith(b"b OK ")
        assert await client.send(b"c COMPRESS DEFLATE\r\n") == b"c OK DEFLATE active\r\n"
        again = compressor()
        answer = await client.send(again.compress(b"d NOOP\r\n") + again.flush(zlib.Z_SYNC_FLUSH))
        assert zlib.decompressobj(wbits=-15).decompress(answer) == b"d OK Done\r\n"

    in_world(test)


def test_the_next_login_may_be_in_the_same_packet_behind_the_compressed_stream(in_world: Any) -> None:
    async def test(world: Any) -> None:
        for cut in range(0, len(PLAIN), 7):
            client = await world.client(b"COMPRESS DEFLATE")
            pack, unpack = compressor(), zlib.decompressobj(wbits=-15)
            stream = pack.compress(b"a UNAUTHENTICATE\r\n") + pack.flush()
            answer = await client.send(stream + PLAIN[:cut]) + await client.send(PLAIN[cut:])
            assert unpack.decompress(answer).startswith(b"a OK ")
            assert unpack.unused_data.startswith(b"b OK ")

    in_world(test)


def test_nothing_may_follow_compress_before_its_answer(in_world: Any) -> None:
    async def test(world: Any) -> None:
        client = await world.client()
        answer = await client.send(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
        assert answer.startswith(b"a BAD [CLIENTBUG] ")
        assert answer.endswith(b"b OK Done\r\n")

    in_world(test)


def test_there_is_no_no(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object, **__: object) -> object:
            raise store.StoreUnavailable("disk full")

        client = await world.client(b"SELECT INBOX")
        monkeypatch.setattr(type(world.store.reader), "meta", down)
        assert (await client.send(b"a UNAUTHENTICATE\r\n")).startswith(b"* BYE [UNAVAILABLE]")
        assert client.connection.closed

    in_world(test)
