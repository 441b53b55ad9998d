"""What a POP3 session tells the ledger of devices: what it listed, fetched and removed."""

from __future__ import annotations

from postier.accounts.device_meter import WEIGHED_FROM, DeviceMeter
from postier.base.log import Log
from postier.message.parts import PartIndex
from postier.pop3.maildrop import Maildrop
from postier.store.api import Reader, StoreError

__all__ = ["Metering"]

HEAVY = 256 * 1024
"""Octets from which each message is weighed."""
GUESSES = 7
"""Messages below that between two that are weighed."""

log = Log("pop3")


class Metering:
    """Of one session and its maildrop."""

    __slots__ = ("_guessed", "_maildrop", "_progress", "_reader", "meter")

    def __init__(self, meter: DeviceMeter, maildrop: Maildrop, reader: Reader) -> None:
        self.meter = meter
        self._maildrop = maildrop
        self._reader = reader
        self._guessed = GUESSES
        inbox = maildrop.inbox
        self._progress = meter.progress(inbox.account_id, inbox.mailbox_id, inbox.uidvalidity)
        self._progress.told_uid = maildrop.span[1]

    def listed(self) -> None:
        """UIDL or LIST of all."""
        if self._maildrop.span[1]:
            self._progress.listed(*self._maildrop.span)

    async def fetched(self, number: int, size: int) -> None:
        """RETR. Of a large message what is attached is told from the text; of many that are somewhat large
        some stand for the others. Not where it rests already."""
        uid = self._maildrop.uid(number)
        self._progress.fetched(uid)
        if size < WEIGHED_FROM:
            self.meter.whole(size, 0)
        elif size < HEAVY and self._guessed < GUESSES:
            self._guessed += 1
            self.meter.guessed(size)
        else:
            self._guessed = 0
            self.meter.weighed(size, await self._attached(uid, size))

    async def _attached(self, uid: int, size: int) -> int:
        inbox = self._maildrop.inbox
        try:
            rows = await self._reader.facts(inbox.account_id, inbox.mailbox_id, [(uid, uid)], ("parts",))
        except StoreError as error:  # the message is being sent: nobody waits for this
            log.info("not weighed", why=error)
            return 0
        parts = rows[0][1] if rows else b""
        assert isinstance(parts, bytes)
        return PartIndex.decode(parts).attached(0, size) if parts else 0

    def removed(self, messages: int, octets: int) -> None:
        """QUIT took messages away."""
        if messages:
            self.meter.deleted(messages, octets)
