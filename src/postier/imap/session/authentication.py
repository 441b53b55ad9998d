"""Commands before login: STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 6.2); and the way back, UNAUTHENTICATE
(RFC 8437).

Without TLS no password is taken (RFC 8314), unless the settings say that the loopback is trusted. A failed
login is answered late; the third ends the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

from postier.accounts.exchange import run_exchange
from postier.accounts.login import (
    AppPasswordDemanded,
    Entry,
    InvalidCredentials,
    LoginBusy,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.base.log import Log
from postier.imap.session.context import Context
from postier.imap.session.errors import Bad, No
from postier.imap.wire.access import Unauthenticate
from postier.imap.wire.values import Authenticate, AuthenticateResponse, Login, StarttlsCommand, State
from postier.net.api import WAKE, ConnectionLost, Wake
from postier.sasl.api import Credentials, SaslError
from postier.sasl.mechanisms import MECHANISMS
from postier.store.api import StoreError, StoreUnavailable

__all__ = ["authenticate", "login", "starttls", "unauthenticate"]

log = Log("imap")

_REFUSALS: dict[type[LoginRefused], tuple[str, str]] = {
    AppPasswordDemanded: (
        "CONTACTADMIN",
        "This account needs an app password for this program: make one in the portal, or ask your"
        " administrator",
    ),
    LoginBusy: ("UNAVAILABLE", "Too many logins at the moment, try again later"),
    InvalidCredentials: ("AUTHENTICATIONFAILED", "Wrong name or password"),
    MayNotActForOthers: ("AUTHORIZATIONFAILED", "Nobody may act for somebody else"),
    TooManyFailures: ("LIMIT", "Too many failed logins, try again later"),
}


async def starttls(context: Context, command: StarttlsCommand) -> bytes:
    """RFC 3501 6.2.1. The driver ends a connection where something was pipelined behind it."""
    if context.connection.tls is not None:
        raise Bad("TLS is already active")
    if not context.settings.starttls:
        raise No("CANNOT", "TLS is not available")
    context.say(b"%b OK Begin TLS negotiation\r\n" % command.tag)
    await context.connection.start_tls(context.core)
    return b""


async def login(context: Context, command: Login) -> bytes:
    _require_privacy(context)
    credentials = Credentials("", command.username, command.password)
    return await _log_in(context, context.services.login.authenticate(credentials, context.door))


async def authenticate(context: Context, command: Authenticate) -> bytes:
    """RFC 3501 6.2.2 with SASL-IR (RFC 4959)."""
    door = context.door
    refused = not {"AUTH", f"AUTH={command.mechanism}"}.isdisjoint(context.core.off)
    if refused or command.mechanism not in MECHANISMS:
        raise No("CANNOT", "That mechanism is not offered")
    if command.mechanism not in context.services.login.mechanisms(door):
        if MECHANISMS[command.mechanism].ends_in is Credentials:
            _require_privacy(context)
        raise No("CANNOT", "That mechanism is not offered")

    async def run() -> Entry:
        login = context.services.login
        return await run_exchange(
            login, door, command.mechanism, command.initial_response, partial(_ask, context)
        )

    try:
        return await _log_in(context, run())
    except SaslError as error:
        await _answer_late(context, 0)
        raise No("AUTHENTICATIONFAILED", str(error)) from None


async def _ask(context: Context, challenge: bytes) -> bytes:
    """Raises Bad if the client breaks off, ConnectionLost if it is gone."""
    context.core.challenge(challenge)
    event: object = WAKE
    while isinstance(event, Wake):
        event = await context.connection.event(context.core, context.settings.login_timeout)
    if event is None:
        raise ConnectionLost("closed during AUTHENTICATE")
    if not isinstance(event, AuthenticateResponse) or event.data is None:
        raise Bad("Authentication was cancelled")
    return event.data


def _require_privacy(context: Context) -> None:
    if context.connection.tls is None and not context.settings.allow_plaintext:
        raise No("PRIVACYREQUIRED", "Passwords are taken under TLS only")


async def _log_in(context: Context, attempt: Awaitable[Entry]) -> bytes:
    try:
        entry = await attempt
    except LoginRefused as refused:
        await _answer_late(context, refused.delay)
        raise No(*_REFUSALS[type(refused)]) from None
    except StoreUnavailable as error:
        log.fault("login not checked", session=context.connection.id, why=error)
        raise No("UNAVAILABLE", "Logins cannot be checked at the moment") from None
    await context.obey_switches(entry.account)
    context.entry = entry
    context.start_metering(entry)
    context.core.state = State.AUTHENTICATED
    return b"OK [CAPABILITY %b] Logged in" % context.capabilities()


async def _answer_late(context: Context, delay: float) -> None:
    context.login_failures += 1
    if delay > 0:
        await asyncio.sleep(delay)
    if context.login_failures >= context.settings.max_login_failures:
        context.end("Too many failed logins")


async def unauthenticate(context: Context, command: Unauthenticate) -> bytes:
    """RFC 8437 3: as if nobody had logged in; TLS stays, and compression ends behind the answer (4.1).

    There is no NO: where the store is not available the connection ends.
    """
    try:
        context.end_login()
        context.services.login.presence.leave(context.connection)
        await context.obey_switches(None)
    except StoreError as error:
        log.info("leaving failed", session=context.connection.id, detail=str(error))
        context.say(b"* BYE [UNAVAILABLE] The mail store is not available at the moment\r\n")
        context.ending = True
        return b""
    core = context.core
    core.state, core.utf8 = State.NOT_AUTHENTICATED, False
    context.compressed = False
    context.say(b"%b OK [CAPABILITY %b] Nobody is logged in\r\n" % (command.tag, context.capabilities()))
    context.connection.remove_filter(core)
    return b""
