"""A POP3 session: one coroutine for each connection, from the greeting to the end.

RFC 1939, with CAPA and response codes (RFC 2449, RFC 3206), STLS (RFC 2595), AUTH (RFC 5034), UTF8 and LANG
(RFC 6856). A connection that ends without QUIT has deleted nothing.
"""

from __future__ import annotations

from postier.accounts.login import Door, Entry
from postier.net.api import Connection, Session
from postier.pop3.authorization import Authorization, tell_fault
from postier.pop3.maildrop import Maildrop
from postier.pop3.metering import Metering
from postier.pop3.services import Pop3Services, Pop3Settings
from postier.pop3.transaction import Transaction
from postier.pop3.wire.server import Pop3Server
from postier.store.api import StoreError

__all__ = ["BUSY_LINE", "Pop3Services", "Pop3Settings", "pop3_session"]

BUSY_LINE = b"-ERR [SYS/TEMP] Too many connections, try later\r\n"
"""For a Listener: said to a connection past the limit."""


def pop3_session(services: Pop3Services, settings: Pop3Settings) -> Session:
    """What a Listener runs for each connection."""

    async def session(connection: Connection) -> None:
        core = _core(connection, services, settings)
        core.ok("{hostname} POP3 ready", hostname=settings.hostname)
        entry = await Authorization(connection, core, services, settings).run()
        if entry is None:
            return
        meter = services.devices.open(connection, entry, "pop3")
        try:
            maildrop = await _open(connection, core, services, settings, entry)
            if maildrop is not None:
                metering = Metering(meter, maildrop, services.store.reader)
                await Transaction(connection, core, services, settings, entry, maildrop, metering).run()
        finally:
            services.devices.close(meter)

    return session


def _core(connection: Connection, services: Pop3Services, settings: Pop3Settings) -> Pop3Server:
    def mechanisms() -> tuple[str, ...]:
        door = Door.of(connection, "pop3", trusted=settings.allow_plaintext)
        return tuple(services.login.mechanisms(door))

    return Pop3Server(
        confidential=connection.tls is not None or settings.allow_plaintext,
        offers_stls=connection.tls is None and settings.stls,
        mechanisms=mechanisms,
    )


async def _open(
    connection: Connection, core: Pop3Server, services: Pop3Services, settings: Pop3Settings, entry: Entry
) -> Maildrop | None:
    """The maildrop of who has just logged in; that is part of the same reply."""
    try:
        maildrop = await Maildrop.open(
            services.store, services.snapshots, entry.account, entry.app_password, settings.usual
        )
    except StoreError as error:
        tell_fault(core, connection, error)
        await connection.flush(core)
        return None
    core.enter_transaction()
    core.ok("{count} messages", count=maildrop.count)
    return maildrop
