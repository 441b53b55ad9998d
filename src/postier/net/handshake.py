"""The server's part of a TLS handshake that has been looked at before it begins.

The octets of the client's hello were read by the driver, as clear text; the event loop's TLS gets them
handed over before anything else. So the certificate is chosen before there is a TLS object at all, the same
way on every event loop and every Python: no callback ever switches contexts (CPython before 3.11.17, 3.12.15,
3.13.16 and 3.14.8 can be crashed by a client when one does, CVE-2026-19445).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from postier.net.api import TlsInfo
from postier.net.exporter import export, has_extended_master_secret
from postier.net.tls import ServerContext

__all__ = ["channel_bindings", "client_certificate", "describe_tls", "upgrade"]


async def upgrade(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    early: bytes = b"",
    **options: Any,
) -> asyncio.Transport | None:
    """`loop.start_tls` for a transport of which `early` has been read already. Raises what that raises."""
    starting = loop.start_tls(transport, protocol, context, **options)
    if not early:
        return await starting
    task = loop.create_task(starting)
    # The task's first step asks for two calls: the TLS object is told of its transport, and reading goes on.
    # Ours is asked for right behind that step, so it comes right behind them, before anything is read.
    loop.call_soon(loop.call_soon, _hand_over, transport, protocol, early)
    try:
        return await task
    finally:
        del task  # its error refers to this frame, which would refer to it


def _hand_over(transport: asyncio.Transport, before: asyncio.Protocol, early: bytes) -> None:
    tls: Any = transport.get_protocol()
    if tls is None or tls is before:
        return  # the transport was closed, or refused, before TLS began
    rest = memoryview(early)
    while rest:
        room = tls.get_buffer(len(rest))
        count = min(len(room), len(rest))
        room[:count] = rest[:count]
        tls.buffer_updated(count)
        rest = rest[count:]


def describe_tls(transport: asyncio.BaseTransport, server_name: str = "") -> TlsInfo | None:
    """None in clear."""
    channel = transport.get_extra_info("ssl_object")
    if channel is None:
        return None
    name, _, bits = channel.cipher()
    return TlsInfo(channel.version(), name, bits, server_name)


def client_certificate(transport: asyncio.BaseTransport | None) -> bytes:
    """The certificate by which the client proved itself, DER; b"" if it didn't, or wasn't asked."""
    channel, context = _ours(transport)
    if context is None or context.verify_mode == ssl.CERT_NONE:
        return b""
    return channel.getpeercert(binary_form=True) or b""


EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
EXPORTED_OCTETS = 32


def channel_bindings(transport: asyncio.BaseTransport | None) -> dict[str, bytes]:
    """What both sides know of this connection of ours as the server, and nobody between them: tls-exporter
    (RFC 9266) of TLS 1.3, tls-unique of TLS 1.2, and with either of them tls-server-end-point (RFC 5929).

    Where the one that clients of this version use can't be had there is none: they would be told to bind
    themselves, and then be refused.
    """
    channel, context = _ours(transport)
    if context is None:
        return {}
    found: dict[str, bytes] = {}
    if channel.version() == "TLSv1.3":
        found["tls-exporter"] = export(channel, EXPORTER_LABEL, EXPORTED_OCTETS)
    elif channel.version() == "TLSv1.2" and has_extended_master_secret(channel):
        found["tls-unique"] = channel.get_channel_binding("tls-unique") or b""
    if any(found.values()):
        found["tls-server-end-point"] = context.end_point
    return {name: data for name, data in found.items() if data}


def _ours(transport: asyncio.BaseTransport | None) -> tuple[Any, ServerContext | None]:
    """The TLS object and its context, where we are the server."""
    channel: Any = transport.get_extra_info("ssl_object") if transport is not None else None
    context = getattr(channel, "context", None)
    return channel, context if isinstance(context, ServerContext) else None
