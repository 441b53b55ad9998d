"""The settings of LMTP and of proxies in front (see docs/smtp.md): rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import ADDRESSES, NETWORKS, PORT, TEXT, Setting

__all__ = ["LMTP_ROWS", "NET_ROWS", "LmtpSettings", "NetSettings"]

LMTP_ROWS = (
    Setting(
        "lmtp.socket",
        TEXT,
        "",
        "A Unix socket to take local mail on by LMTP, relative to the data directory; none is off.",
    ),
    Setting("lmtp.port", PORT, 0, "A port to take local mail on by LMTP; 0 is off."),
    Setting("lmtp.bind", ADDRESSES, ["127.0.0.1"], "Addresses to listen on for LMTP."),
    Setting(
        "lmtp.accept_from",
        NETWORKS,
        ["127.0.0.0/8", "::1"],
        "Networks whose hosts may hand mail over on lmtp.port: their mail is not checked.",
    ),
)

NET_ROWS = (
    Setting(
        "net.proxy_from",
        NETWORKS,
        [],
        "Networks of proxies: every connection from there must begin with a PROXY header (see smtp.md).",
    ),
)


@dataclass(frozen=True, slots=True)
class LmtpSettings:
    """`socket`, `port`: "" and 0 where it is off."""

    socket: str
    port: int
    bind: tuple[str, ...]
    accept_from: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetSettings:
    proxy_from: tuple[str, ...]
