"""`TLS-Required: No` (RFC 8689 4.2.2): a sender who would rather be read by others than not arrive.

Then policies that the other side publishes are tried, and not in the way if they can't be kept. It waives
neither REQUIRETLS (which goes before it, 4.1) nor what the administrator demands of a host or a partner.
"""

from __future__ import annotations

from dataclasses import replace

from postier.message.headers import HEADER_KEPT, HeaderFields, split_message
from postier.net.tls import opportunistic_client_context
from postier.queue.api import Envelope, OutgoingMessage
from postier.smtp.outbound.tls_policy import TlsPolicy

__all__ = ["TlsOptional"]

ORIGIN = "tls-required: no"
_PUBLISHED = ("dane", "mta-sts")


class TlsOptional:
    """Keeps its context: terms are the same from one message to the next."""

    def __init__(self) -> None:
        self._context = opportunistic_client_context()

    async def holds(self, policy: TlsPolicy, envelope: Envelope, message: OutgoingMessage | None) -> bool:
        """Whether the message waives `policy`. Its header is read only where there is something to waive."""
        if message is None or envelope.requiretls or policy.origin not in _PUBLISHED:
            return False
        return policy.required and await _says_no(message)

    def without(self, policy: TlsPolicy) -> TlsPolicy:
        """In place of one that forbids a host."""
        return TlsPolicy(self._context, policy.server_name, origin=ORIGIN)

    def instead(self, policy: TlsPolicy) -> TlsPolicy:
        """The same, but not in the way."""
        return replace(policy, required=False, otherwise=self.without(policy))


async def _says_no(message: OutgoingMessage) -> bool:
    data = b""
    async for chunk in message.chunks():
        data += chunk
        if b"\r\n\r\n" in data or len(data) >= HEADER_KEPT:
            break
    end, _ = split_message(data)
    value = HeaderFields(data[:end]).first(b"tls-required")
    return value is not None and value.strip().lower() == b"no"
