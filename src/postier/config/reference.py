"""docs/settings.md, made from the table of settings:

    python -m postier.config.reference > docs/settings.md

A test compares the file with what this makes.
"""

from __future__ import annotations

import json
import sys

from postier.config.settings import LEAST, PARTS, SETTINGS, Setting

__all__ = ["PART_TITLES", "settings_reference"]

PART_TITLES = {
    "server": "The server",
    "log": "The log",
    "dns": "DNS",
    "dns_update": "Publishing in the DNS",
    "dkim": "Signing",
    "smtp": "SMTP",
    "lmtp": "Taking local mail by LMTP",
    "policy": "Who is let in",
    "queue": "The queue of outgoing mail",
    "suppression": "Addresses that are not written to",
    "srs": "Forwarded mail",
    "imap": "IMAP",
    "pop3": "POP3",
    "reports": "Reports to other domains",
    "trace": "The stories of messages",
    "audit": "The audit log",
    "oidc": "OpenID Connect",
    "search": "Searching",
    "devices": "Devices",
    "tls": "TLS",
    "acme": "Certificates from an authority",
    "directories": "People from directories elsewhere",
    "login": "Logging in",
    "net": "Proxies in front",
    "connections": "Connections",
    "http": "HTTP",
    "clients": "What mail programs are told",
    "portal": "Logging in by the web",
    "mta_sts": "Our own MTA-STS policy",
}

_OPENING = """\
# Settings

They stand in `postier.toml` in the data directory, one section for each part. What is not written there
has its default. A name that does not exist, or a value of the wrong kind, stops the start with one line
that says where it stands and what was expected.

Durations are a number with `s`, `m`, `h` or `d`; sizes a number with `B`, `KB`, `MB` or `GB` (powers of
1000). Commands and `postier serve` read the file when they start.
"""


def settings_reference() -> str:
    """The whole text, with one heading for each setting."""
    lines = [_OPENING]
    for part in PARTS:
        lines.append(f"## {PART_TITLES[part]} `[{part}]`\n")
        lines += [_entry(setting) for setting in SETTINGS if setting.name.startswith(part + ".")]
    return "\n".join(lines)


def _entry(setting: Setting) -> str:
    default = json.dumps(setting.default, ensure_ascii=False)
    facts = [f"{setting.kind.expected[0].upper()}{setting.kind.expected[1:]}.", f"Default: `{default}`."]
    if setting.name in LEAST:
        least, why = LEAST[setting.name]
        facts.append(f"At least `{json.dumps(least)}`: {why}.")
    return f"### {setting.name}\n\n{setting.doc}\n\n{' '.join(facts)}\n"


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
