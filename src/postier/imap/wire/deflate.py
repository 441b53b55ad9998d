"""COMPRESS=DEFLATE (RFC 4978): raw DEFLATE (RFC 1951) in both directions, between TLS and the core.

Each write is compressed by a compressor of its own that ends at a byte boundary; to the client it is one
stream. Nothing of one response helps to guess another by its compressed size, and an idle connection keeps no
compressor: made new it costs 2 us, kept it would hold 18 KiB (87 KiB at zlib's defaults).

Measured on a listing of 100 envelopes, 40,625 octets: the small window makes some 7,900 of them in 0.2 ms,
the large one 6,251 in 0.65 ms at level 6, 6,187 in 0.9 ms at level 8 and no less at 9. Short answers gain
nothing from the large one.
"""

from __future__ import annotations

import zlib

__all__ = ["Deflate"]

SMALL = (6, zlib.DEFLATED, -12, 5)  # level, method, window bits (raw, 4 KiB), memory level
LARGE = (8, zlib.DEFLATED, -15, 8)
LARGE_FROM = 2048
"""Octets of one write from which the large window pays."""

MAX_REST = 64 * 1024
"""Octets that may come behind the end of the client's stream, before UNAUTHENTICATE lets them be read."""

FINAL_BLOCK = b"\x03\x00"
"""An empty last block (RFC 1951 3.2.6): to the client the stream is whole."""

MAX_GROWTH = 8 * 1024 * 1024
"""Octets that one piece of input (256 KiB at most, see net.connection) may become."""


class Deflate:
    """A net.api.ByteFilter. `saved_in`, `saved_out`: octets that it kept off the wire."""

    __slots__ = ("_inflate", "_rest", "saved_in", "saved_out")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._rest = b""
        self.saved_in = self.saved_out = 0

    def decode(self, data: bytes) -> bytes:
        """Raises ValueError for what is not DEFLATE, for MAX_GROWTH octets or more out of one piece, and for
        more than MAX_REST behind the end of the stream, which UNAUTHENTICATE makes (RFC 8437 4.1)."""
        if self._inflate.eof:
            return self._keep(data)
        try:
            plain = self._inflate.decompress(data, MAX_GROWTH)
        except zlib.error as error:
            raise ValueError("not a DEFLATE stream") from error
        if self._inflate.unconsumed_tail or len(plain) >= MAX_GROWTH:
            raise ValueError("compressed input grows past its bound")
        self.saved_in += len(plain) - len(data)
        return plain + self._keep(self._inflate.unused_data)

    def _keep(self, data: bytes) -> bytes:
        self._rest += data
        if len(self._rest) > MAX_REST:
            raise ValueError("input behind the end of the compressed stream")
        return b""

    def encode(self, data: bytes) -> bytes:
        compressor = zlib.compressobj(*(LARGE if len(data) >= LARGE_FROM else SMALL))
        packed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        self.saved_out += len(data) - len(packed)
        return packed

    def end(self) -> bytes:
        return FINAL_BLOCK

    def rest(self) -> bytes:
        return self._rest
