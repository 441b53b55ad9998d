"""The settings of a server: one table, one file (DIR/postier.toml), small frozen objects for the parts.

Adding a setting is adding a row here, a field to its part's class, and a heading to docs/settings.md (a
test compares them). Nobody but `app` and `cli` imports this.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postier.config.access_rows import (
    CONNECTIONS_ROWS,
    HTTP_ROWS,
    MTA_STS_ROWS,
    TLS_ROWS,
    ConnectionSettings,
    HttpSettings,
    MtaStsSettings,
    TlsSettings,
)
from postier.config.acme_rows import ACME_ROWS, AcmeSettings
from postier.config.audit_rows import AUDIT_LEAST, AUDIT_ROWS, AuditSettings
from postier.config.client_rows import CLIENTS_ROWS, ClientsSettings
from postier.config.directory_rows import DIRECTORIES_LEAST, DIRECTORIES_ROWS, DirectoriesSettings
from postier.config.dns_rows import DKIM_ROWS, DNS_UPDATE_ROWS, DkimSettings, DnsUpdateSettings
from postier.config.door_rows import LMTP_ROWS, NET_ROWS, LmtpSettings, NetSettings
from postier.config.kinds import (
    ADDRESSES,
    BOOLEAN,
    COUNT,
    DURATION,
    ENDPOINTS,
    HOST,
    LEVEL,
    NETWORKS,
    PORT,
    SIZE,
    TEXT,
    Setting,
)
from postier.config.login_rows import LOGIN_LEAST, LOGIN_ROWS, LoginSettings
from postier.config.oidc_rows import OIDC_ROWS, OidcSettings
from postier.config.policy_rows import POLICY_LEAST, POLICY_ROWS
from postier.config.portal_rows import PORTAL_LEAST, PORTAL_ROWS, PortalSettings
from postier.config.queue_rows import (
    QUEUE_ROWS,
    SRS_ROWS,
    SUPPRESSION_ROWS,
    QueueSettings,
    SrsSettings,
    SuppressionSettings,
)
from postier.config.reading_rows import (
    DEVICES_ROWS,
    IMAP_ROWS,
    POP3_ROWS,
    SEARCH_ROWS,
    DevicesSettings,
    ImapSettings,
    Pop3Settings,
    SearchSettings,
)
from postier.config.report_rows import REPORT_LEAST, REPORT_ROWS, ReportsSettings
from postier.config.submission_rows import SUBMISSION_ROWS
from postier.smtp.inbound.policy_settings import PolicySettings

__all__ = [
    "FILE_NAME",
    "LEAST",
    "SETTINGS",
    "ConfigError",
    "DnsSettings",
    "LogSettings",
    "ServerSettings",
    "Setting",
    "Settings",
    "SmtpSettings",
    "TraceSettings",
    "load_settings",
    "parse_value",
    "render_settings",
    "written_settings",
]

FILE_NAME = "postier.toml"
HIGHEST_PORT = 4190
SMTP_PORT = 25


class ConfigError(Exception):
    """What is wrong with postier.toml, where, and what was expected: one line for a person."""


SETTINGS = (
    Setting(
        "server.hostname",
        HOST,
        "localhost",
        "The name this server gives itself; its certificate must have it.",
    ),
    Setting("server.bind", ADDRESSES, [], "Addresses to listen on; none means all."),
    Setting("server.port_base", PORT, 0, "Added to every standard port."),
    Setting("server.workers", COUNT, 0, "Worker processes; 0 means one for each core."),
    Setting(
        "server.user", TEXT, "postier", "Whom to become after the ports are bound, where that user exists."
    ),
    Setting(
        "server.trust_loopback",
        BOOLEAN,
        False,
        "For tests and benchmarks: listen on the loopback only, and there ask for neither TLS nor patience.",
    ),
    Setting("log.level", LEVEL, "info", "The least important lines that are written."),
    Setting("dns.servers", ENDPOINTS, [], "Resolvers to ask; none means those of the system."),
    Setting("dns.timeout", DURATION, "5s", "How long one question may take."),
    Setting(
        "dns.validating",
        ADDRESSES,
        [],
        "Resolvers elsewhere that check DNSSEC and are reached over a safe way; those of this machine count.",
    ),
    *DNS_UPDATE_ROWS,
    *DKIM_ROWS,
    Setting("smtp.max_message_size", SIZE, "50MB", "The largest message taken in."),
    Setting("smtp.max_recipients", COUNT, 1000, "Recipients of one message; 100 is the least allowed."),
    Setting("smtp.idle_timeout", DURATION, "5m", "Silence after which a sender is disconnected."),
    Setting(
        "smtp.submission_normalise_newlines",
        BOOLEAN,
        False,
        "Take a CR or LF alone as a line end from people who log in, for old devices.",
    ),
    Setting(
        "smtp.xclient_from",
        NETWORKS,
        [],
        "Networks of proxies that may say with XCLIENT whom they speak for (see smtp.md).",
    ),
    Setting("smtp.outbound_port", PORT, 25, "The port of other domains' servers."),
    Setting(
        "smtp.outbound_source_addresses",
        ADDRESSES,
        [],
        "Addresses to send from; none leaves it to the system.",
    ),
    Setting(
        "smtp.outbound_connect_timeout", DURATION, "30s", "How long to wait for another server to accept."
    ),
    *SUBMISSION_ROWS,
    *LMTP_ROWS,
    *POLICY_ROWS,
    *QUEUE_ROWS,
    *SUPPRESSION_ROWS,
    *SRS_ROWS,
    *IMAP_ROWS,
    *POP3_ROWS,
    *REPORT_ROWS,
    Setting("trace.keep", DURATION, "30d", "How long the steps of messages are kept (see trace.md)."),
    *AUDIT_ROWS,
    *OIDC_ROWS,
    *SEARCH_ROWS,
    *DEVICES_ROWS,
    *TLS_ROWS,
    *ACME_ROWS,
    *DIRECTORIES_ROWS,
    *LOGIN_ROWS,
    *NET_ROWS,
    *CONNECTIONS_ROWS,
    *HTTP_ROWS,
    *CLIENTS_ROWS,
    *PORTAL_ROWS,
    *MTA_STS_ROWS,
)

LEAST: Mapping[str, tuple[Any, str]] = {
    "dns.timeout": ("1s", "a resolver needs time"),
    "smtp.max_message_size": ("64KB", "RFC 5321 4.5.3.1.7"),
    "smtp.max_recipients": (100, "RFC 5321 4.5.3.1.8"),
    "smtp.idle_timeout": ("1m", "slow senders are no enemies"),
    "smtp.outbound_port": (1, "0 is no port"),
    **POLICY_LEAST,
    **PORTAL_LEAST,
    **REPORT_LEAST,
    **DIRECTORIES_LEAST,
    **LOGIN_LEAST,
    "queue.retry_first": ("1s", "0 would never rest"),
    "queue.retry_max": ("1s", "0 would never rest"),
    "queue.concurrency": (1, "0 would deliver nothing"),
    "suppression.keep": ("1d", "bounces come hours apart"),
    "mta_sts.max_age": ("1d", "a policy that is forgotten at once protects nobody"),
    "devices.write_every": ("1s", "each time is a transaction of the store"),
    **AUDIT_LEAST,
    "trace.keep": ("1h", "an attempt must find its message"),
    "imap.idle_timeout": ("30m", "RFC 9051 5.4"),
    "pop3.idle_timeout": ("10m", "RFC 1939 3"),
}
"""The lowest value a setting may have, and why."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    hostname: str
    bind: tuple[str, ...]
    port_base: int
    workers: int
    user: str
    trust_loopback: bool


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: str


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """`timeout` in seconds."""

    servers: tuple[tuple[str, int], ...]
    timeout: int
    validating: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Sizes in octets, times in seconds."""

    max_message_size: int
    max_recipients: int
    idle_timeout: int
    submission_normalise_newlines: bool
    xclient_from: tuple[str, ...]
    outbound_port: int
    outbound_source_addresses: tuple[str, ...]
    outbound_connect_timeout: int
    daily_recipients: int
    daily_new_recipients: int
    max_hold: int
    undo_send: int
    submission_hides_client: bool


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """In seconds."""

    keep: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, with the data directory it was read from."""

    data: Path
    server: ServerSettings
    log: LogSettings
    dns: DnsSettings
    dns_update: DnsUpdateSettings
    dkim: DkimSettings
    smtp: SmtpSettings
    lmtp: LmtpSettings
    policy: PolicySettings
    queue: QueueSettings
    suppression: SuppressionSettings
    srs: SrsSettings
    imap: ImapSettings
    pop3: Pop3Settings
    reports: ReportsSettings
    trace: TraceSettings
    audit: AuditSettings
    oidc: OidcSettings
    search: SearchSettings
    devices: DevicesSettings
    tls: TlsSettings
    acme: AcmeSettings
    directories: DirectoriesSettings
    login: LoginSettings
    net: NetSettings
    connections: ConnectionSettings
    http: HttpSettings
    clients: ClientsSettings
    portal: PortalSettings
    mta_sts: MtaStsSettings


PARTS: Mapping[str, type[Any]] = {
    "server": ServerSettings,
    "log": LogSettings,
    "dns": DnsSettings,
    "dns_update": DnsUpdateSettings,
    "dkim": DkimSettings,
    "smtp": SmtpSettings,
    "lmtp": LmtpSettings,
    "policy": PolicySettings,
    "queue": QueueSettings,
    "suppression": SuppressionSettings,
    "srs": SrsSettings,
    "imap": ImapSettings,
    "pop3": Pop3Settings,
    "reports": ReportsSettings,
    "trace": TraceSettings,
    "audit": AuditSettings,
    "oidc": OidcSettings,
    "search": SearchSettings,
    "devices": DevicesSettings,
    "tls": TlsSettings,
    "acme": AcmeSettings,
    "directories": DirectoriesSettings,
    "login": LoginSettings,
    "net": NetSettings,
    "connections": ConnectionSettings,
    "http": HttpSettings,
    "clients": ClientsSettings,
    "portal": PortalSettings,
    "mta_sts": MtaStsSettings,
}

_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load_settings(data: Path) -> Settings:
    """Read DIR/postier.toml. Raises ConfigError: not TOML, an unknown name, a value of the wrong kind."""
    file = data / FILE_NAME
    try:
        text = file.read_text(encoding="utf-8")
        written = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    values = {setting.name: setting.kind.parse(setting.default) for setting in SETTINGS}
    for name, value in _flat(written, file):
        values[name] = parse_value(name, value, _place(file, text, name))
    return _build(data, values, file)


def written_settings(data: Path) -> dict[str, str]:
    """What the file says, as JSON by the name of each setting; nothing where it cannot be read."""
    file = data / FILE_NAME
    try:
        pairs = _flat(tomllib.loads(file.read_text(encoding="utf-8")), file)
        return {name: json.dumps(value, default=str, sort_keys=True) for name, value in pairs}
    except (OSError, ValueError, ConfigError):
        return {}


def parse_value(name: str, value: Any, where: str) -> Any:
    """One setting's value from what TOML gave. Raises ConfigError, which says `where`."""
    setting = _BY_NAME.get(name)
    if setting is None:
        near = difflib.get_close_matches(name, _BY_NAME, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{where}: there is no setting {_one_line(name)}{hint}")
    try:
        parsed = setting.kind.parse(value)
    except (ValueError, TypeError) as error:
        if setting.kind.is_secret:
            raise ConfigError(f"{where}: {name}: {error}") from None
        raise ConfigError(f"{where}: {name}: expected {setting.kind.expected}, found {value!r}") from None
    least = LEAST.get(name)
    if least is not None and parsed < setting.kind.parse(least[0]):
        raise ConfigError(f"{where}: {name}: at least {least[0]} ({least[1]}), found {value!r}")
    return parsed


def render_settings(chosen: Mapping[str, Any]) -> str:
    """The text of a new postier.toml: what was chosen, and every other setting as a comment."""
    lines = ["# The settings of this Postier server; docs/settings.md explains each.", ""]
    for part in PARTS:
        lines.append(f"[{part}]")
        for setting in SETTINGS:
            section, _, field = setting.name.partition(".")
            if section == part:
                value = chosen.get(setting.name, setting.default)
                mark = "" if setting.name in chosen else "# "
                lines += [f"# {setting.doc}", f"{mark}{field} = {json.dumps(value, ensure_ascii=False)}"]
        lines.append("")
    return "\n".join(lines)


def _place(file: Path, text: str, name: str) -> str:
    """FILE:LINE of a setting, as far as a look at the lines can tell."""
    part, _, field = name.partition(".")
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("["):
            section = line.partition("#")[0].strip("[] \t")
        found = line.partition("=")[0].strip().strip("\"'")
        if (section == part and found == field) or (not section and found == name):
            return f"{file}:{number}"
    return str(file)


def _one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _flat(written: Mapping[str, Any], file: Path) -> Iterator[tuple[str, Any]]:
    for section, fields in written.items():
        if section not in PARTS:
            raise ConfigError(f"{file}: there is no section [{_one_line(section)}]")
        if not isinstance(fields, dict):
            raise ConfigError(f"{file}: {section}: expected a section [{section}]")
        for field, value in fields.items():
            yield f"{section}.{field}", value


def _build(data: Path, values: Mapping[str, Any], file: Path) -> Settings:
    parts = {
        part: kind(**{name.partition(".")[2]: v for name, v in values.items() if name.startswith(part + ".")})
        for part, kind in PARTS.items()
    }
    settings = Settings(data=data, **parts)
    _judge(settings, file)
    return settings


def _judge(settings: Settings, file: Path) -> None:
    """What single values can't tell."""
    if settings.server.trust_loopback:
        strangers = [one for one in settings.server.bind or ("",) if not _is_loopback(one)]
        if strangers:
            raise ConfigError(
                f"{file}: server.trust_loopback: server.bind must name loopback addresses only, "
                f"not {strangers[0] or 'all addresses'}"
            )
    if settings.lmtp.port == SMTP_PORT:
        raise ConfigError(f"{file}: lmtp.port: not {SMTP_PORT}, which is SMTP's (RFC 2033 5)")
    if settings.server.port_base > 65535 - HIGHEST_PORT:
        raise ConfigError(f"{file}: server.port_base: too high for the ports of the services")


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
