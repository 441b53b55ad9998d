"""`postier audit`: what it tells of what other verbs do."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pwd
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from postier.accounts import people
from postier.accounts.audit_settings import note_settings
from postier.backend import open_backend
from postier.config.settings import load_settings, written_settings

pytestmark = pytest.mark.slow


def test_nothing_is_told_of_a_server_where_nothing_fits(postier: Any, listed: Any) -> None:
    assert postier("audit", "nobody@orchard.test").stdout == "no entry was found\n"
    assert postier("audit", "nobody@orchard.test", "--lang", "fr").stdout == "aucune entrée\n"
    assert listed("audit", "nobody@orchard.test") == []


def test_wrong_usage_is_refused(misused: Any) -> None:
    assert "invalid" in misused("audit", "--kind", "planet").lower()
    assert "expected 90s" in misused("audit", "--since", "yesterday")
    assert "range" in misused("audit", "--limit", "0")
    assert "range" in misused("audit", "--limit", "1001")


DONE = (
    ("account.added", ("user", "add", "bob@orchard.test", "--password-stdin", "--name", "Bob")),
    ("password.changed", ("user", "passwd", "bob@orchard.test", "--password-stdin")),
    ("account.room", ("user", "quota", "bob@orchard.test", "--storage", "5")),
    ("account.sending_limit", ("user", "limit", "bob@orchard.test", "--recipients", "5")),
    ("account.sending_limit_ended", ("user", "limit", "bob@orchard.test", "--default")),
    ("account.language", ("user", "language", "bob@orchard.test", "fr")),
    ("account.administrator", ("user", "admin", "bob@orchard.test")),
    ("account.administrator_ended", ("user", "admin", "bob@orchard.test", "--off")),
    ("account.disabled", ("user", "disable", "bob@orchard.test")),
    ("account.enabled", ("user", "enable", "bob@orchard.test")),
    ("account.switch", ("imap", "disable", "IDLE", "--user", "bob@orchard.test")),
    ("account.switch", ("imap", "enable", "IDLE", "--user", "bob@orchard.test")),
    ("account.postmaster", ("user", "postmaster", "bob@orchard.test")),
    ("account.added", ("share", "add", "sales@orchard.test")),
    ("rights.granted", ("share", "grant", "alice@orchard.test", "bob", "read", "--mailbox", "INBOX")),
    ("rights.received", ()),
    ("rights.ended", ("share", "grant", "alice@orchard.test", "bob", "none", "--mailbox", "INBOX")),
    ("rights.lost", ()),
    ("rights.send_as", ("share", "send-as", "alice@orchard.test", "bob@orchard.test")),
    ("rights.sent_as", ()),
    ("rights.send_as_ended", ("share", "send-as", "alice@orchard.test", "bob@orchard.test", "--remove")),
    ("rights.sent_as_ended", ()),
    ("address.alias", ("alias", "add", "info@orchard.test", "bob@orchard.test")),
    ("address.alias_removed", ("alias", "remove", "info@orchard.test")),
    ("domain.added", ("domain", "add", "grove.test")),
    ("domain.language", ("domain", "language", "grove.test", "fr")),
    ("keys.dkim", ("domain", "dkim", "rotate", "grove.test")),
    ("domain.removed", ("domain", "remove", "grove.test")),
    ("password.app_added", ("app-password", "add", "bob@orchard.test", "--name", "phone")),
    ("password.app_revoked", ("app-password", "revoke", "bob@orchard.test", "phone")),
    ("route.set", ("route", "add", "far.test", "127.0.0.1:26")),
    ("route.set", ("queue", "route", "near.test", "127.0.0.1:27")),
    ("route.removed", ("route", "remove", "far.test")),
    ("route.pool", ("route", "pool", "add", "both", "127.0.0.1")),
    ("route.pool_removed", ("route", "pool", "remove", "both")),
    ("route.tls", ("tls", "require", "partner.test")),
    ("route.tls_removed", ("tls", "remove", "partner.test")),
    ("route.suppressed", ("suppress", "add", "x@far.test")),
    ("route.suppression_lifted", ("suppress", "remove", "x@far.test")),
    ("account.removed", ("user", "remove", "bob@orchard.test", "--yes")),
)
"""What each command leaves in the log; one without words is left by the command above it."""


def test_every_change_leaves_an_entry_with_who_made_it(postier: Any, listed: Any) -> None:
    for _, words in DONE:
        if words:
            postier(*words)
    found = listed("audit", "--limit", "1000")
    assert {kind for kind, _ in DONE} <= {entry["kind"] for entry in found}
    assert Counter(kind for kind, _ in DONE) <= Counter(entry["kind"] for entry in found)
    me = pwd.getpwuid(os.getuid()).pw_name
    assert {(entry["via"], entry["by"]) for entry in found} == {("cli", me)}
    assert "cli-password" not in json.dumps(found)
    bobs = listed("audit", "bob@orchard.test", "--limit", "1000")
    assert bobs[0]["kind"] == "account.removed"  # he is gone, and his entries are here
    assert bobs[-1]["kind"] == "account.added"
    assert all(entry["account"] == "bob@orchard.test" for entry in bobs)
    rights = listed("audit", "--kind", "rights")
    assert {entry["kind"].partition(".")[0] for entry in rights} == {"rights"}
    assert [entry["kind"] for entry in listed("audit", "--kind", "keys.dkim", "--limit", "1")] == [
        "keys.dkim"
    ]
    assert listed("audit", "--since", "2999-01-01") == []
    for language in ("en", "fr"):
        shown = postier("audit", "--limit", "1000", "--lang", language).stdout
        assert shown.count("\n") == len(found) + 1
        assert "{" not in shown


def test_who_called_sudo_is_who_did_it(postier: Any, listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    for caller, name in ((0, "ann"), (os.getuid() or 1, pwd.getpwuid(os.getuid() or 1).pw_name)):
        monkeypatch.setattr("postier.cli.common._CALLER", caller)
        postier("alias", "add", "info@orchard.test", "alice@orchard.test")
        assert listed("audit", "--limit", "1")[0]["by"] == name


def test_settings_that_changed_are_named_and_their_values_are_not(data: Path, listed: Any) -> None:
    async def start() -> None:
        async with open_backend(load_settings(data), "test") as backend:
            await note_settings(backend.store, written_settings(data))

    asyncio.run(start())
    asyncio.run(start())
    assert listed("audit", "--kind", "server") == []
    file = data / "postier.toml"
    text = file.read_text().replace('"1s"', '"3s"')
    file.write_text(text.replace('# keep = "30d"', 'keep = "47d"', 1))
    asyncio.run(start())
    asyncio.run(start())
    (entry,) = listed("audit", "--kind", "server")
    assert entry["facts"] == {"names": "dns.timeout, suppression.keep"}
    assert "47d" not in (data / "postier.db").read_bytes().decode("latin-1")


RULES = ("", "people", "domains", "acl", "ways", "second_factors")
"""Before the dot of a rule that is called, where there is one."""


def test_nobody_forgets_to_say_who_does_it() -> None:
    """Each call of something that takes `by` names it, in all that is above the rules."""
    source = Path(people.__file__).parents[1]
    taking = {
        node.name
        for file in [*(source / "accounts").glob("*.py"), source / "admin" / "ways.py"]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.AsyncFunctionDef) and any(each.arg == "by" for each in node.args.kwonlyargs)
    }
    assert len(taking) > 20
    silent = []
    for room in ("cli", "imap", "admin", "http", "directories", "oidc"):
        for file in (source / room).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text())):
                if isinstance(call, ast.Call):
                    of, _, name = ast.unparse(call.func).rpartition(".")
                    if name in taking and of in RULES and not any(each.arg == "by" for each in call.keywords):
                        silent.append(f"{file.relative_to(source)}:{call.lineno} {ast.unparse(call.func)}")
    assert silent == []
