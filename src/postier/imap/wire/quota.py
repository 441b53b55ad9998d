"""Quotas (RFC 9208): GETQUOTA, GETQUOTAROOT, SETQUOTA and what answers them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.pieces import astring, mailbox_name
from postier.imap.wire.values import Command

__all__ = [
    "GetQuota",
    "GetQuotaRoot",
    "SetQuota",
    "parse_getquota",
    "parse_setquota",
    "quota_line",
    "quota_root_line",
]

MAX_RESOURCES = 20


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    root: str
    name = "GETQUOTA"


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    mailbox: str
    name = "GETQUOTAROOT"


@dataclass(frozen=True, slots=True)
class SetQuota(Command):
    """`limits`: names of resources in capitals, and numbers."""

    root: str
    limits: tuple[tuple[str, int], ...]
    name = "SETQUOTA"


def parse_getquota(g: Grammar, tag: bytes) -> GetQuota:
    g.space()
    root = g.text()
    g.end()
    return GetQuota(tag, root)


def parse_setquota(g: Grammar, tag: bytes) -> SetQuota:
    """setquota = "SETQUOTA" SP quota-root-name SP "(" [resource SP limit *(SP resource SP limit)] ")"."""
    g.space()
    root = g.text()
    g.space()
    g.expect(b"(", "limits of resources")
    limits: dict[str, int] = {}
    while not g.take(b")"):
        if limits:
            g.space()
        name = g.atom().decode().upper()
        g.space()
        limits[name] = g.number64()
        if len(limits) > MAX_RESOURCES:
            g.fail(f"{MAX_RESOURCES} resources at most")
    g.end()
    return SetQuota(tag, root, tuple(limits.items()))


def quota_line(root: str, resources: Iterable[tuple[str, int, int]]) -> bytes:
    """RFC 9208 4.2.1; `resources`: name, usage and limit."""
    triplets = [b"%b %d %d" % (name.encode("ascii"), usage, limit) for name, usage, limit in resources]
    return b"* QUOTA %b (%b)\r\n" % (astring(root), b" ".join(triplets))


def quota_root_line(mailbox: str, roots: Iterable[str], *, utf8: bool = False) -> bytes:
    """RFC 9208 4.2.2."""
    return b" ".join((b"* QUOTAROOT", mailbox_name(mailbox, utf8), *map(astring, roots))) + b"\r\n"
