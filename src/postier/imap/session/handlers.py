"""Who means what: one row for each command. Adding a command is adding a row here and in wire/commands.py."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from postier.imap.session import (
    acl,
    any_state,
    append,
    authentication,
    batches,
    compress,
    copy,
    enable,
    fetch,
    idle,
    listing,
    mailboxes,
    metadata,
    multisearch,
    notify,
    quota,
    search,
    select,
    sort,
    store,
    thread,
    updates,
)
from postier.imap.session.context import Context
from postier.imap.session.uidonly import uses_numbers
from postier.imap.wire import access, values
from postier.imap.wire import acl as acl_values
from postier.imap.wire import listing as listing_values
from postier.imap.wire import metadata as metadata_values
from postier.imap.wire import quota as quota_values
from postier.imap.wire.append import Append, Replace
from postier.imap.wire.batches import UidBatches
from postier.imap.wire.multisearch import Multisearch
from postier.imap.wire.notify import Notify
from postier.imap.wire.search import BadCharset, Search
from postier.imap.wire.sort import Sort
from postier.imap.wire.thread import Thread
from postier.imap.wire.updates import CancelUpdate
from postier.imap.wire.values import Command

__all__ = ["HANDLERS", "Handler", "News"]


Answer = Callable[[], Awaitable[bytes]]


class News(enum.Enum):
    """What is told of the selected mailbox between the answer and the tagged response.

    NONE: nothing. NO_EXPUNGE: all but EXPUNGE, since the command counts in sequence numbers (RFC 3501 7.4.1).
    ALL: everything, where the bus said that there is something. FRESH: everything, the store is asked. OWN:
    the same, and what the command expunged, although the client does not want to hear of expunges (NOTIFY).
    """

    NONE = enum.auto()
    NO_EXPUNGE = enum.auto()
    ALL = enum.auto()
    FRESH = enum.auto()
    OWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Handler:
    """`run` gives the tagged response without tag and CRLF, or b"" if it was said already.

    `counts`: it needs the selected mailbox's UIDs. `together`: does the work of commands of this kind that
    wait one behind the other, and says for each what answers it when its turn comes.
    """

    run: Callable[[Context, Any], Awaitable[bytes]]
    news: Callable[[Command], News]
    counts: bool = False
    together: Callable[[Context, list[Any]], Awaitable[list[Answer]]] | None = None


def _always(news: News) -> Callable[[Command], News]:
    return lambda command: news


def _by_uid(command: Command) -> News:
    """FETCH, STORE and SEARCH forbid EXPUNGE, their UID forms only where sequence numbers are searched for
    (RFC 7162 3.2.10.2)."""
    return News.NO_EXPUNGE if uses_numbers(command) else News.ALL


_NONE, _ALL = _always(News.NONE), _always(News.ALL)
_FRESH, _OWN = _always(News.FRESH), _always(News.OWN)

HANDLERS: dict[type, Handler] = {
    values.Capability: Handler(any_state.capability, _ALL),
    values.Noop: Handler(any_state.noop, _FRESH),
    values.Logout: Handler(any_state.logout, _NONE),
    values.Id: Handler(any_state.identify, _ALL),
    values.StarttlsCommand: Handler(authentication.starttls, _NONE),
    values.Authenticate: Handler(authentication.authenticate, _NONE),
    values.Login: Handler(authentication.login, _NONE),
    access.Unauthenticate: Handler(authentication.unauthenticate, _NONE),
    values.Enable: Handler(enable.enable, _ALL),
    values.Compress: Handler(compress.compress, _NONE),
    values.Select: Handler(select.select, _NONE),
    values.Examine: Handler(select.examine, _NONE),
    values.Create: Handler(mailboxes.create, _ALL),
    values.Delete: Handler(mailboxes.delete, _ALL),
    values.Rename: Handler(mailboxes.rename, _FRESH),
    values.Subscribe: Handler(mailboxes.subscribe, _ALL),
    values.Unsubscribe: Handler(mailboxes.unsubscribe, _ALL),
    listing_values.List: Handler(listing.list_mailboxes, _ALL),
    listing_values.Lsub: Handler(listing.lsub, _ALL),
    values.Namespace: Handler(mailboxes.namespace, _ALL),
    acl_values.SetAcl: Handler(acl.set_acl, _ALL),
    acl_values.DeleteAcl: Handler(acl.delete_acl, _ALL),
    acl_values.GetAcl: Handler(acl.get_acl, _ALL),
    acl_values.ListRights: Handler(acl.list_rights, _ALL),
    acl_values.MyRights: Handler(acl.my_rights, _ALL),
    quota_values.GetQuota: Handler(quota.get_quota, _ALL),
    quota_values.GetQuotaRoot: Handler(quota.get_quota_root, _ALL),
    quota_values.SetQuota: Handler(quota.set_quota, _ALL),
    metadata_values.GetMetadata: Handler(metadata.get_metadata, _ALL),
    metadata_values.SetMetadata: Handler(metadata.set_metadata, _ALL),
    values.Status: Handler(mailboxes.status, _ALL),
    Append: Handler(append.append, _ALL),
    Replace: Handler(append.replace, _OWN, counts=True),
    Notify: Handler(notify.notify, _FRESH),
    values.Idle: Handler(idle.idle, _NONE),
    values.Check: Handler(select.check, _FRESH),
    values.Close: Handler(select.close, _NONE),
    values.Unselect: Handler(select.unselect, _NONE),
    values.Expunge: Handler(copy.expunge, _OWN, counts=True),
    Search: Handler(search.search, _by_uid, counts=True),
    Sort: Handler(sort.sort, _by_uid, counts=True),
    UidBatches: Handler(batches.uidbatches, _ALL, counts=True),
    Multisearch: Handler(multisearch.multisearch, _by_uid),
    CancelUpdate: Handler(updates.cancel_update, _ALL),
    Thread: Handler(thread.thread, _by_uid, counts=True),
    BadCharset: Handler(search.bad_charset, _by_uid),
    values.Fetch: Handler(fetch.fetch, _by_uid, counts=True),
    values.Store: Handler(store.store, _by_uid, counts=True, together=store.store_together),
    values.Copy: Handler(copy.copy, _ALL, counts=True),
    values.Move: Handler(copy.move, _OWN, counts=True),
}
