"""Who may import whom: the order of the rooms, checked over the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "postier"

LAYERS = (
    {"base"},
    {"net"},
    {"message", "dns.api", "sasl", "sieve", "clients"},
    {"smtp.wire", "imap.wire", "pop3.wire", "mailauth"},
    {"message", "dns.api", "sasl", "sieve"},
    {"smtp.wire", "imap.wire", "pop3.wire", "ldap", "mailauth"},
    {"blobs.api", "bus.api", "queue.api"},
    {"store.values"},
    {
        "store.annotating",
        "store.queueing",
        "store.routing",
        "store.telling",
        "store.acme",
        "store.greylisting",
        "store.devices",
        "store.auditing",
        "store.directories",
        "store.sending",
        "store.transport_security",
        "store.certificates",
        "store.factors",
        "store.logins",
        "store.report_sending",
        "store.reports",
        "store.resting",
    },
    {"store.api"},
    {"store.tally"},
    {"store", "blobs", "bus", "dns", "fetch", "accounts", "search"},
    {"story", "oidc"},
    {"queue", "filter", "reports", "backup", "acme"},
    {"directories"},
    {"smtp.inbound", "smtp.outbound", "imap.session", "pop3", "managesieve", "http"},
    {"jmap", "admin"},
    {"config"},
    {"services"},
    {
        "app",
        "backend",
        "certificates",
        "chores",
        "doors",
        "indexing",
        "certifying",
        "publishing",
        "reporting",
        "sending",
        "supervisor",
        "tokens",
        "demo",
    },
    {"cli"},
)
"""Each may import those before it; within a layer the rooms know nothing of each other."""

ALLOWED_WITHIN = {
    ("store", "blobs"),  # one commit covers rows and bytes
    ("smtp.inbound", "smtp"),
    ("app", "supervisor"),
    ("app", "backend"),
    ("app", "certificates"),
    ("certificates", "backend"),
    ("app", "certifying"),
    ("app", "tokens"),
    ("doors", "tokens"),
    ("tokens", "backend"),
    ("app", "chores"),
    ("app", "doors"),
    ("app", "indexing"),
    ("app", "publishing"),
    ("app", "reporting"),
    ("app", "sending"),
    ("certifying", "backend"),
    ("certifying", "publishing"),
    ("chores", "backend"),
    ("chores", "publishing"),
    ("doors", "backend"),
    ("doors", "certifying"),
    ("doors", "indexing"),
    ("doors", "reporting"),
    ("doors", "sending"),
    ("publishing", "backend"),
    ("publishing", "sending"),
    ("reporting", "backend"),
    ("sending", "backend"),
    ("indexing", "supervisor"),
}
ENGINES = (
    "postier.store.sqlite",
    "postier.search.sqlite",
    "postier.blobs.local",
    "postier.bus.local",
    "postier.dns.client",
    "postier.dns.update",
)
KNOW_ENGINES = {
    "app",
    "backend",
    "certificates",
    "certifying",
    "tokens",
    "doors",
    "indexing",
    "publishing",
    "cli",
    "config",
    "store",
    "search",
    "blobs",
    "bus",
    "dns",
}
IO_MODULES = ("asyncio", "socket", "ssl", "sqlite3", "select", "threading", "subprocess")
CORES = sorted(SRC.glob("*/wire/*.py"))
FILES = sorted(file for file in SRC.rglob("*.py") if "testing" not in file.parts)


def _names(file: Path) -> list[str]:
    """The modules a file imports, in full."""
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _room(module: str) -> str | None:
    """The room of a module: the longest name that LAYERS knows."""
    name = module.removeprefix("postier.")
    while name:
        if any(name in layer for layer in LAYERS):
            return name
        name = name.rpartition(".")[0]
    return None


def _layer(room: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if room in layer)


def _module(file: Path) -> str:
    return ".".join(("postier", *file.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_rooms_import_only_what_is_below_them(file: Path) -> None:
    room = _room(_module(file))
    if room is None:
        return
    for module in _names(file):
        other = _room(module) if module.startswith("postier.") else None
        if other is None or other == room or other.startswith(room + ".") or room.startswith(other + "."):
            continue
        below = _layer(other) < _layer(room) or (room, other) in ALLOWED_WITHIN
        assert below, f"{room} may not import {module}"


@pytest.mark.parametrize("file", CORES, ids=lambda file: str(file.relative_to(SRC)))
def test_wire_cores_do_no_io(file: Path) -> None:
    forbidden = [name for name in _names(file) if name.partition(".")[0] in IO_MODULES]
    assert not forbidden


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_only_the_composition_root_names_engines_and_settings(file: Path) -> None:
    if _room(_module(file)) in KNOW_ENGINES | {"services"}:
        return
    named = [name for name in _names(file) if name.startswith((*ENGINES, "postier.config"))]
    assert not named


def test_every_room_has_its_place() -> None:
    rooms = {
        path.name for path in SRC.iterdir() if path.is_dir() and path.name not in ("__pycache__", "testing")
    }
    known = {name.partition(".")[0] for layer in LAYERS for name in layer}
    assert rooms <= known
