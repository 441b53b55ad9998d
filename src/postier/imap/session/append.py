"""APPEND (RFC 3501 6.3.11), of several messages as well (RFC 3502), and REPLACE (RFC 8508): all or nothing.

How the messages come in is said in intake.py. What is appended and what goes away for it is one transaction.
"""

from __future__ import annotations

from postier.accounts.delivery import new_message
from postier.accounts.rights import NoPermission, Place, allowed_flags, rights_in
from postier.base.log import Log
from postier.imap.session.context import Context
from postier.imap.session.copy import existing_target
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve, uids_at
from postier.imap.session.flags import parse_flags
from postier.imap.session.intake import Arrival, Intake
from postier.imap.session.selected import Selected
from postier.imap.wire.append import Append, Replace
from postier.imap.wire.responses import append_uid_code, highest_modseq_code
from postier.store.api import BlobId, ModSeq, NewMessage, NoSuchMailbox, Tx, Uid

__all__ = ["append", "replace"]

log = Log("imap")


async def append(context: Context, command: Append) -> bytes:
    intake = Intake(context, command.line)
    try:
        target = await existing_target(context, command.mailbox)
        arrivals = await intake.take(target, command.line)

        async def work(tx: Tx) -> list[Uid]:
            return await _append(context, tx, target, arrivals)

        uids = await context.store.transact(work)
    except (NoSuchMailbox, OSError) as error:
        raise _refusal(context, error) from None
    finally:
        intake.end()
    selected = context.selected
    if selected is not None and selected.is_at(target):
        await context.tell_news(expunges=True)
    if not target.tells_uids:
        return b"OK Appended"
    return b"OK [%b] Appended" % append_uid_code(target.mailbox.uidvalidity, uids)


async def replace(context: Context, command: Replace) -> bytes:
    """APPENDUID comes first, in an untagged OK, then EXISTS, then EXPUNGE (RFC 8508 4.3)."""
    intake = Intake(context, command.line)
    try:
        selected = context.writable_mailbox("te")
        target = await existing_target(context, command.mailbox)
        uid = _one(selected, command)
        freed = await _size(context, selected, uid) if target.account_id == selected.account_id else 0
        arrivals = await intake.take(target, command.line, freed=freed)

        async def work(tx: Tx) -> tuple[list[Uid], ModSeq]:
            if not await tx.expunge(selected.account_id, selected.mailbox_id, [uid]):
                raise No("EXPUNGEISSUED", "The message no longer exists")
            uids = await _append(context, tx, target, arrivals)
            modseq, _ = await tx.standing(selected.account_id, selected.mailbox_id)
            return uids, modseq

        uids, modseq = await context.store.transact(work)
    except (NoSuchMailbox, OSError) as error:
        raise _refusal(context, error) from None
    finally:
        intake.end()
    if target.tells_uids:
        context.say(b"* OK [%b] Replaced\r\n" % append_uid_code(target.mailbox.uidvalidity, uids))
    await context.tell_news(expunges=False)
    if not context.modseqs:
        return b"OK Done"
    return b"OK [%b] Done" % highest_modseq_code(modseq)


def _one(selected: Selected, command: Replace) -> Uid:
    """The message that goes away. Raises No, NoSuchSequence."""
    uids = uids_at(selected, resolve(selected, command.sequence, by_uid=command.by_uid))
    if not uids:
        raise No("NONEXISTENT", "There is no such message")
    return uids[0]


async def _size(context: Context, selected: Selected, uid: Uid) -> int:
    rows = await context.reader.facts(selected.account_id, selected.mailbox_id, [(uid, uid)], ("size",))
    size = rows[0][1] if rows else 0
    assert isinstance(size, int)
    return size


async def _append(context: Context, tx: Tx, target: Place, arrivals: list[Arrival]) -> list[Uid]:
    target = await _as_now(context, tx, target)
    now = int(context.services.clock.now())
    messages = []
    for arrival in arrivals:
        blob_id, _ = await tx.add_blob(b"", arrival.spool)
        messages.append(_message(arrival, blob_id, target, now))
    return await tx.append(target.account_id, target.mailbox_id, messages)


async def _as_now(context: Context, tx: Tx, target: Place) -> Place:
    """While the messages came in, rights may have been taken. Raises NoSuchMailbox, NoPermission."""
    mailbox = await tx.mailbox(target.account_id, target.mailbox_id)
    rights = await rights_in(tx, context.account_id, target.account_id, target.mailbox_id)
    if "i" not in rights:
        raise NoPermission(f"'i' is needed in {target.account_id}/{target.mailbox_id}")
    return target._replace(mailbox=mailbox, rights=rights)


def _message(arrival: Arrival, blob_id: BlobId, target: Place, now: int) -> NewMessage:
    assert arrival.analysis is not None, "a message that is not whole"
    flags, keywords = allowed_flags(target.rights, *parse_flags(arrival.asked.flags))
    asked = arrival.asked.internal_date
    return new_message(
        arrival.analysis,
        blob_id,
        prefix=b"",
        internal_date=now if asked is None else asked,
        flags=flags,
        keywords=keywords,
    )


def _refusal(context: Context, error: Exception) -> No:
    if isinstance(error, NoSuchMailbox):
        return No("TRYCREATE", "The mailbox was deleted meanwhile")
    log.fault("spool failed", why=error, session=context.connection.id)
    return No("UNAVAILABLE", "The message cannot be stored at the moment")
