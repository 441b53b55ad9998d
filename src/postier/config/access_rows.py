"""The settings of TLS, of connections and of HTTP: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, COUNT, DURATION, TEXT, Setting, one_of

__all__ = [
    "CONNECTIONS_ROWS",
    "HTTP_ROWS",
    "MTA_STS_ROWS",
    "TLS_ROWS",
    "ConnectionSettings",
    "HttpSettings",
    "MtaStsSettings",
    "TlsSettings",
]

TLS_ROWS = (
    Setting(
        "tls.certificate", TEXT, "tls/cert.pem", "Certificate and chain, PEM; relative to the data directory."
    ),
    Setting("tls.key", TEXT, "tls/key.pem", "Its private key, PEM; relative to the data directory."),
    Setting(
        "tls.client_login",
        BOOLEAN,
        False,
        "Let mail programs log in by a certificate of tls.client_ca (SASL EXTERNAL).",
    ),
    Setting(
        "tls.client_ca",
        TEXT,
        "",
        "PEM file of the authorities whose certificates people log in with; relative to the data directory.",
    ),
)

CONNECTIONS_ROWS = (
    Setting("connections.per_worker", COUNT, 10_000, "Connections of one worker at a time; 0 for no limit."),
    Setting(
        "connections.per_address",
        COUNT,
        100,
        "Connections from one address (IPv6: one /64) to one worker at a time; 0 for no limit.",
    ),
    Setting(
        "connections.per_network",
        COUNT,
        0,
        "Connections from one network (IPv4: a /24, IPv6: a /48) to one worker at a time; 0 for no limit.",
    ),
    Setting(
        "connections.per_minute",
        COUNT,
        600,
        "New connections from one address (IPv6: one /64) in a minute, to all workers; 0 for no limit.",
    ),
)

HTTP_ROWS = (
    Setting(
        "http.enabled",
        BOOLEAN,
        True,
        "Serve HTTP, on port 80 plus server.port_base: what mail programs ask, /health and /metrics.",
    ),
    Setting(
        "http.https",
        BOOLEAN,
        True,
        "Serve the same by HTTPS, on port 443 plus server.port_base; off where another web server has it.",
    ),
    Setting(
        "http.api",
        BOOLEAN,
        True,
        "Let administrators use /api/ (docs/api.md): by HTTPS, or on the HTTP port from this machine.",
    ),
)

MTA_STS_ROWS = (
    Setting(
        "mta_sts.mode",
        one_of("off", "none", "testing", "enforce"),
        "testing",
        "What others are told to do when TLS to this server fails: testing, deliver all the same.",
    ),
    Setting("mta_sts.max_age", DURATION, "7d", "How long others remember that policy."),
    Setting(
        "mta_sts.https",
        BOOLEAN,
        True,
        "The older name of http.https: HTTPS is served where both are on.",
    ),
)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    certificate: str
    key: str
    client_login: bool
    client_ca: str


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    per_worker: int
    per_address: int
    per_network: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class HttpSettings:
    enabled: bool
    https: bool
    api: bool


@dataclass(frozen=True, slots=True)
class MtaStsSettings:
    """`max_age` in seconds."""

    mode: str
    max_age: int
    https: bool
