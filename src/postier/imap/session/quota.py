"""GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 4.1)."""

from __future__ import annotations

from postier.accounts import quota
from postier.imap.session.context import Context
from postier.imap.wire.quota import GetQuota, GetQuotaRoot, SetQuota, quota_line, quota_root_line

__all__ = ["get_quota", "get_quota_root", "set_quota"]


async def get_quota(context: Context, command: GetQuota) -> bytes:
    root = await quota.root_named(context.reader, context.viewer, command.root)
    context.say(quota_line(*root))
    return b"OK Done"


async def get_quota_root(context: Context, command: GetQuotaRoot) -> bytes:
    """The mailbox need not exist (RFC 9208 4.1.2)."""
    name, root = await quota.root_of(context.reader, context.viewer, command.mailbox)
    context.say(quota_root_line(name, [root.name], utf8=context.core.utf8) + quota_line(*root))
    return b"OK Done"


async def set_quota(context: Context, command: SetQuota) -> bytes:
    limits = dict(command.limits)
    root = await quota.change_root(context.store, context.viewer, command.root, limits)
    context.say(quota_line(*root))
    return b"OK Done"
