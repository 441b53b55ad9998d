"""Who hears of an entry's fate, and the report as a parcel for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postier.accounts.directory import Directory, RecipientKind
from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.ids import new_id
from postier.base.log import Log
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign
from postier.message.analysis import analyse
from postier.message.dsn import Action
from postier.message.headers import HeaderFields, split_message
from postier.queue.bounce import Reported, Reporter, is_automatic
from postier.queue.meanings import LANGUAGES
from postier.queue.outgoing import StoredMessage
from postier.queue.post import Parcel, WrittenBody
from postier.queue.verdict import Notice
from postier.queue.words import language_of
from postier.store.api import AccountId, NoSuchAccount, QueueEntry

__all__ = ["RETURN_WHOLE", "ReportDesk"]

HEADER_OCTETS = 64 * 1024
RETURN_WHOLE = 1024 * 1024
"""A message up to this size comes back whole if its sender asked for that (RET=FULL, RFC 3461 4.3)."""

POSTMASTER_REPORTS = 20
"""In an hour: past that, mail that can be returned to nobody is only logged."""

log = Log("queue")


class ReportDesk:
    """Writes reports and knows where they go.

    Reports on mail that has no sender to tell go to the postmaster, a few in an hour: mail from the null
    path or from an address of ours that is gone; and forwarded mail that the next host refused for its
    content or by its rules, since the sender of such mail is most often forged (backscatter).
    """

    def __init__(self, directory: Directory, reporter: Reporter, clock: Clock) -> None:
        self._directory = directory
        self._reporter = reporter
        self._clock = clock
        self._hour = 0
        self._told = 0

    async def report(
        self, entry: QueueEntry, notices: Sequence[Notice], message: StoredMessage | None
    ) -> Parcel | None:
        """What must be posted; None where nobody is to be told. `message` is None if it can't be read.

        Raises BlobUnreadable.
        """
        if not notices:
            return None
        failed = any(notice.action is Action.FAILED for notice in notices)
        wants_whole = entry.ret == "FULL" and not entry.requiretls  # RFC 8689 5
        whole = failed and wants_whole and message is not None and message.size <= RETURN_WHOLE
        original = b""
        if message is not None:
            original = await message.beginning(message.size if whole else HEADER_OCTETS)
        return await self._report(entry, notices, original, failed=failed, whole=whole)

    async def report_success(self, mail: Reported, notices: Sequence[Notice], header: bytes) -> Parcel | None:
        """As `report`, for mail that is only now being accepted: `notices` without failures, and the header
        section, which is all that such a report returns (RFC 3461 4.3)."""
        return await self._report(mail, notices, header, failed=False, whole=False)

    async def _report(
        self, entry: Reported, notices: Sequence[Notice], original: bytes, *, failed: bool, whole: bool
    ) -> Parcel | None:
        if entry.reverse_path and not is_automatic(original):
            accounts, forwards = await self._sender(entry)
            if accounts or (forwards and not _is_backscatter(entry, notices)):
                return await self._parcel(entry, notices, original, accounts, forwards, whole=whole)
        log.warning("nobody to tell", trace=entry.trace_id, sender=f"<{entry.reverse_path}>")
        return await self._for_postmaster(entry, notices, original) if failed else None

    async def for_postmaster(self, parcel: Parcel) -> Parcel | None:
        """The same report for the postmaster, when those it was for can't take it."""
        postmaster = await self._directory.postmaster()
        if postmaster is None or postmaster in parcel.accounts or not self._may_tell_postmaster():
            return None
        return replace(parcel, accounts=(postmaster,), forwards=())

    async def _sender(self, entry: Reported) -> tuple[tuple[AccountId, ...], tuple[Address, ...]]:
        address = Address.parse(entry.reverse_path)
        found = await self._directory.resolve(address)
        if found.kind is RecipientKind.FOREIGN:
            return (), (address,)
        if found.kind is RecipientKind.LOCAL:
            if entry.account_id is not None and entry.account_id in found.accounts:
                return (entry.account_id,), ()  # of a shared address the one who wrote
            return found.accounts, found.forwards
        return ((entry.account_id,), ()) if entry.account_id is not None else ((), ())

    async def _for_postmaster(
        self, entry: Reported, notices: Sequence[Notice], original: bytes
    ) -> Parcel | None:
        postmaster = await self._directory.postmaster()
        if postmaster is None or not self._may_tell_postmaster():
            return None
        return await self._parcel(entry, notices, original, (postmaster,), (), whole=False)

    def _may_tell_postmaster(self) -> bool:
        hour = int(self._clock.now() // 3600)
        if hour != self._hour:
            self._hour, self._told = hour, 0
        self._told += 1
        return self._told <= POSTMASTER_REPORTS

    async def _parcel(
        self,
        entry: Reported,
        notices: Sequence[Notice],
        original: bytes,
        accounts: tuple[AccountId, ...],
        forwards: tuple[Address, ...],
        *,
        whole: bool,
    ) -> Parcel:
        trace_id = new_id()
        to = entry.reverse_path or f"postmaster@{self._reporter.hostname}"
        now = int(self._clock.now())
        data = self._reporter.compose(
            entry,
            notices,
            original,
            to,
            now,
            trace_id,
            whole=whole,
            language=await self._language(entry, accounts, original),
            utf8=not forwards or not to.isascii(),
        )
        if forwards:
            data = _signed(await self._directory.signers_of_host(self._reporter.hostname), data, now)
        log.info("report", trace=entry.trace_id, report=trace_id, to=to, about=len(notices))
        body, requiretls = WrittenBody(data), entry.requiretls
        about = entry.trace_id
        return Parcel(trace_id, "", accounts, forwards, body, analyse(data), about, requiretls=requiretls)

    async def _language(self, entry: Reported, accounts: Sequence[AccountId], original: bytes) -> str:
        """That of the first who gets it; of strangers what is known, or what their message says; else
        English."""
        if not accounts:
            language = entry.language or language_of(HeaderFields(original[: split_message(original)[0]]))
            if language not in LANGUAGES:
                return LANGUAGES[0]
            return language
        try:
            chosen = await self._directory.language_of(accounts[0])
        except NoSuchAccount:
            chosen = ""  # whoever posts the report will see that it is gone
        return chosen if chosen in LANGUAGES else LANGUAGES[0]


def _signed(signers: Sequence[Signer], data: bytes, now: int) -> bytes:
    header_end, body_start = split_message(data)
    hasher = BodyHasher()
    hasher.feed(data[body_start:])
    return sign(signers, data[:header_end], hasher.digest(), timestamp=now) + data


def _is_backscatter(entry: Reported, notices: Sequence[Notice]) -> bool:
    """Mail of strangers, refused as spam or malware is refused (RFC 3463: content 5.6, security 5.7)."""
    return entry.account_id is None and all(
        notice.action is Action.FAILED and notice.status.startswith(("5.6.", "5.7.")) for notice in notices
    )
