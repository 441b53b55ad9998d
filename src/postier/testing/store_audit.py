"""Counting everything anew: does a store still add up after crashes, and can every byte be read?

For tests and for whoever doubts a disk: the counters that transactions keep (messages, bytes, references,
UIDNEXT, modseq) are compared with what the rows say, and every blob that is needed is read to its end.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from postier.blobs.api import BlobRef, Blobs, BlobUnreadable

__all__ = ["audit"]

_FAULTS = {
    "messages counted in an account": (
        "SELECT a.account_id, a.messages, COUNT(m.uid) FROM accounts a"
        " LEFT JOIN messages m ON m.account_id = a.account_id GROUP BY a.account_id"
        " HAVING a.messages <> COUNT(m.uid)"
    ),
    "bytes counted in an account": (
        "SELECT a.account_id, a.used, TOTAL(f.size) FROM accounts a"
        " LEFT JOIN facts f ON f.account_id = a.account_id GROUP BY a.account_id"
        " HAVING a.used <> TOTAL(f.size)"
    ),
    "counters of a mailbox": (
        "SELECT b.account_id, b.mailbox_id, b.messages, b.unseen, b.deleted FROM mailboxes b"
        " LEFT JOIN messages m ON m.account_id = b.account_id AND m.mailbox_id = b.mailbox_id"
        " GROUP BY b.account_id, b.mailbox_id HAVING b.messages <> COUNT(m.uid)"
        " OR b.unseen <> TOTAL(m.uid IS NOT NULL AND NOT m.flags & :seen)"
        " OR b.deleted <> TOTAL(m.flags & :deleted <> 0)"
    ),
    "an access control list without its mailbox": (
        "SELECT r.account_id, r.mailbox_id FROM rights r LEFT JOIN mailboxes b"
        " ON b.account_id = r.account_id AND b.mailbox_id = r.mailbox_id WHERE b.mailbox_id IS NULL"
    ),
    "an annotation without its mailbox": (
        "SELECT n.account_id, n.mailbox_id FROM annotations n LEFT JOIN mailboxes b"
        " ON b.account_id = n.account_id AND b.mailbox_id = n.mailbox_id"
        " WHERE n.mailbox_id <> 0 AND b.mailbox_id IS NULL"
    ),
    "a message that rests in no mailbox, or a mark of one that does not rest": (
        "SELECT r.account_id, r.origin FROM pop3_resting r LEFT JOIN mailboxes b"
        " ON b.account_id = r.account_id AND b.mailbox_id = r.mailbox_id WHERE b.mailbox_id IS NULL"
        " UNION SELECT d.account_id, d.origin FROM pop3_deleted d LEFT JOIN pop3_resting r"
        " ON r.account_id = d.account_id AND r.validity = d.validity AND r.origin = d.origin"
        " WHERE r.origin IS NULL"
    ),
    "bytes counted in a mailbox": (
        "SELECT b.account_id, b.mailbox_id, b.size, TOTAL(f.size) FROM mailboxes b"
        " LEFT JOIN facts f ON f.account_id = b.account_id AND f.mailbox_id = b.mailbox_id"
        " GROUP BY b.account_id, b.mailbox_id HAVING b.size <> TOTAL(f.size)"
    ),
    "a UID at or past UIDNEXT, or a modseq past the mailbox's": (
        "SELECT b.account_id, b.mailbox_id, m.uid, m.modseq FROM mailboxes b"
        " JOIN messages m ON m.account_id = b.account_id AND m.mailbox_id = b.mailbox_id"
        " WHERE m.uid >= b.uidnext OR m.modseq > b.modseq"
    ),
    "a tombstone at or past UIDNEXT, past the modseq, or of a living message": (
        "SELECT t.account_id, t.mailbox_id, t.uid, t.modseq FROM tombstones t"
        " LEFT JOIN mailboxes b ON b.account_id = t.account_id AND b.mailbox_id = t.mailbox_id"
        " LEFT JOIN messages m"
        " ON m.account_id = t.account_id AND m.mailbox_id = t.mailbox_id AND m.uid = t.uid"
        " WHERE b.uidnext IS NULL OR t.uid >= b.uidnext OR t.modseq > b.modseq OR m.uid IS NOT NULL"
    ),
    "a mailbox past its account's modseq": (
        "SELECT b.account_id, b.mailbox_id FROM mailboxes b"
        " LEFT JOIN accounts a ON a.account_id = b.account_id WHERE a.modseq IS NULL OR b.modseq > a.modseq"
    ),
    "a message without facts, or without a mailbox": (
        "SELECT m.account_id, m.mailbox_id, m.uid FROM messages m LEFT JOIN facts f"
        " ON f.account_id = m.account_id AND f.mailbox_id = m.mailbox_id AND f.uid = m.uid"
        " LEFT JOIN mailboxes b ON b.account_id = m.account_id AND b.mailbox_id = m.mailbox_id"
        " WHERE f.uid IS NULL OR b.mailbox_id IS NULL"
    ),
    "facts without a message": (
        "SELECT f.account_id, f.mailbox_id, f.uid FROM facts f LEFT JOIN messages m"
        " ON m.account_id = f.account_id AND m.mailbox_id = f.mailbox_id AND m.uid = f.uid"
        " WHERE m.uid IS NULL"
    ),
    "an email id of two different messages": (
        "SELECT account_id, email_id, COUNT(DISTINCT blob_id), COUNT(DISTINCT thread_id) FROM facts"
        " GROUP BY account_id, email_id HAVING COUNT(DISTINCT blob_id) > 1 OR COUNT(DISTINCT thread_id) > 1"
    ),
    "references of a blob": (
        "SELECT b.blob_id, b.refs, TOTAL(n.times) FROM blobs b LEFT JOIN ("
        "  SELECT blob_id, COUNT(*) AS times FROM facts GROUP BY blob_id"
        "  UNION ALL SELECT blob_id, COUNT(*) FROM queue GROUP BY blob_id"
        "  UNION ALL SELECT blob_id, COUNT(*) FROM report_mails GROUP BY blob_id"
        " ) n ON n.blob_id = b.blob_id GROUP BY b.blob_id HAVING b.refs <> TOTAL(n.times)"
    ),
    "a message, queue entry or report without its blob": (
        "SELECT n.blob_id FROM (SELECT blob_id FROM facts UNION SELECT blob_id FROM queue"
        " UNION SELECT blob_id FROM report_mails) n"
        " LEFT JOIN blobs b ON b.blob_id = n.blob_id WHERE b.blob_id IS NULL"
    ),
    "a queue entry without recipients, or the other way round": (
        "SELECT q.entry_id FROM queue q LEFT JOIN queue_recipients r ON r.entry_id = q.entry_id"
        " WHERE r.entry_id IS NULL UNION SELECT r.entry_id FROM queue_recipients r"
        " LEFT JOIN queue q ON q.entry_id = r.entry_id WHERE q.entry_id IS NULL"
    ),
}
_NEEDED = "SELECT blob_id, pack, position, length, size FROM blobs WHERE refs > 0"
_SHOWN = 5


async def audit(database: Path, blobs: Blobs) -> list[str]:
    """What does not add up, in words; empty for a store in good order. The database is only read."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = []
        for name, sql in _FAULTS.items():
            rows = connection.execute(sql, {"seen": 1, "deleted": 8}).fetchall()
            if rows:
                found.append(f"{name}: {len(rows)} times, {rows[:_SHOWN]}")
        needed = connection.execute(_NEEDED).fetchall()
    finally:
        connection.close()
    for blob_id, *where in needed:
        ref = BlobRef(*where)
        try:
            octets = 0
            async for piece in blobs.stream(ref):
                octets += len(piece)
        except BlobUnreadable as error:
            found.append(f"blob {blob_id} unreadable: {error}")
            continue
        if octets != ref.size:
            found.append(f"blob {blob_id} has {octets} octets instead of {ref.size}")
    return found
