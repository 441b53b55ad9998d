"""What a URL of CATENATE names: octets of a message that the client may read (RFC 4469 3)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from postier.accounts.rights import NoPermission
from postier.blobs.api import BlobRef, Blobs
from postier.imap.session.binary import partial_octets
from postier.imap.session.context import Context
from postier.imap.session.header_fields import chosen_fields
from postier.imap.wire.url import MessageUrl, parse_url
from postier.message.parts import PartIndex, section_range
from postier.store.api import NoSuchMailbox, Uid

__all__ = ["BadUrl", "Source", "find_source"]

_NOT_IN_CODE = re.compile(rb"[^\x21\x23-\x5b\x5e-\x7e]")
"""All but what may stand between the quotes of a response code (RFC 4469 5)."""


class Source(NamedTuple):
    """The octets [start, end) of a blob, or of `held`, which was made of it."""

    ref: BlobRef
    start: int
    end: int
    held: bytes | None = None

    @property
    def size(self) -> int:
        return self.end - self.start

    async def pieces(self, blobs: Blobs) -> AsyncIterator[bytes]:
        """Raises BlobUnreadable."""
        if self.held is not None:
            yield self.held[self.start : self.end]
            return
        async for chunk in blobs.stream(self.ref, self.start, self.end):
            yield chunk


class BadUrl(Exception):
    """Not a URL of this server, or nothing that this client may read. `code`: the response code."""

    def __init__(self, url: bytes) -> None:
        shown = _NOT_IN_CODE.sub(lambda found: b"%%%02X" % found[0][0], url)
        self.code = f'BADURL "{shown.decode("ascii")}"'
        super().__init__(self.code)


async def find_source(context: Context, url: bytes) -> Source:
    """Raises BadUrl."""
    wanted = parse_url(url)
    source = None if wanted is None else await _find(context, wanted)
    if source is None:
        raise BadUrl(url)
    return source


async def _find(context: Context, wanted: MessageUrl) -> Source | None:
    try:
        place = await context.find(wanted.mailbox, "r")
    except (NoSuchMailbox, NoPermission):
        return None
    if wanted.uidvalidity not in (0, place.mailbox.uidvalidity):
        return None
    key, uid = (place.account_id, place.mailbox_id), Uid(wanted.uid)
    ref = (await context.reader.blob_refs(*key, (uid,))).get(uid)
    rows = await context.reader.facts(*key, [(uid, uid)], ("parts",))
    if ref is None or not rows:
        return None
    encoded = rows[0][1]
    assert isinstance(encoded, bytes)
    section = wanted.section
    specifier = "HEADER" if section.fields else section.specifier
    found = section_range(PartIndex.decode(encoded), section.path, specifier)
    if found is None:
        return None
    if not section.fields:
        return Source(ref, *partial_octets(section, *found))
    fields = chosen_fields(await context.services.blobs.read(ref, *found), section)
    return Source(ref, *partial_octets(section, 0, len(fields)), fields)
