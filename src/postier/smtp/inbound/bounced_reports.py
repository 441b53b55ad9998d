"""What is returned to a return address of our reports to other domains (see accounts/report_returns.py)."""

from __future__ import annotations

import re

from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Transaction
from postier.smtp.inbound.incoming import Incoming

__all__ = ["bounced_reports"]

_READ = 64 * 1024
_FAILED = re.compile(rb"^Action:[ \t]*failed\b", re.IGNORECASE | re.MULTILINE)
_DIAGNOSTIC = re.compile(rb"^Diagnostic-Code:[ \t]*([^\r\n]{1,300})", re.IGNORECASE | re.MULTILINE)


async def bounced_reports(transaction: Transaction, incoming: Incoming) -> dict[str, str]:
    """The tags of reports that this message returns for good, with the reason it gives (RFC 3464); of delays
    and of answers by machines nothing follows."""
    tags = [recipient.report_tag for recipient in transaction.recipients if recipient.report_tag]
    if not tags or transaction.reverse_path:
        return {}
    kind = HeaderFields(incoming.header).first(b"content-type") or b""
    if b"delivery-status" not in kind.lower():
        return {}
    data = b""
    async for chunk in incoming.spool.chunks():
        data += chunk
        if len(data) >= _READ:
            break
    if not _FAILED.search(data[:_READ]):
        return {}
    found = _DIAGNOSTIC.search(data[:_READ])
    words = found[1].decode("ascii", "replace") if found is not None else "returned"
    reason = "".join(letter for letter in words if letter.isprintable())
    return dict.fromkeys(tags, reason)
