"""Commands before login: STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 6.2); and the way back, UNAUTHENTICATE
(RFC 8437).

Without TLS no password is taken (RFC 8314), unless the settings say that the loopback is trusted. A failed
login is answered late; the third ends the connection.
"""

from __future__ import annotations

import asyncio

from postier.accounts.login import InvalidCredentials, TooManyFailures
from postier.base.log import Log
from postier.imap.session.context import Context
from postier.imap.session.errors import Bad, No
from postier.imap.wire.access import Unauthenticate
from postier.imap.wire.values import Authenticate, AuthenticateResponse, Login, StarttlsCommand, State
from postier.net.api import WAKE, ConnectionLost, Wake
from postier.sasl.api import Challenge, Credentials, Exchange, SaslError
from postier.sasl.mechanisms import MECHANISMS
from postier.store.api import StoreError

__all__ = ["authenticate", "login", "starttls", "unauthenticate"]

log = Log("imap")


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
    return await _log_in(context, command.username, command.password)


async def authenticate(context: Context, command: Authenticate) -> bytes:
    """RFC 3501 6.2.2 with SASL-IR (RFC 4959)."""
    mechanism = MECHANISMS.get(command.mechanism)
    if mechanism is None or not {"AUTH", f"AUTH={command.mechanism}"}.isdisjoint(context.core.off):
        raise No("CANNOT", "That mechanism is not offered")
    if mechanism.secret_in_clear:
        _require_privacy(context)
    try:
        credentials = await _exchange(context, mechanism.make(), command.initial_response)
    except SaslError as error:
        raise No("AUTHENTICATIONFAILED", str(error)) from None
    if not credentials.acts_for_itself:
        raise No("AUTHORIZATIONFAILED", "Nobody may act for somebody else")
    return await _log_in(context, credentials.authentication_id, credentials.password)


async def _exchange(context: Context, exchange: Exchange, initial: bytes | None) -> Credentials:
    """Challenges and responses until the client has said who it is. Raises SaslError, and Bad if the client
    breaks off."""
    step = exchange.start(initial)
    while isinstance(step, Challenge):
        context.core.challenge(step.data)
        event: object = WAKE
        while isinstance(event, Wake):
            event = await context.connection.event(context.core, context.settings.login_timeout)
        if event is None:
            raise ConnectionLost("closed during AUTHENTICATE")
        if not isinstance(event, AuthenticateResponse) or event.data is None:
            raise Bad("Authentication was cancelled")
        step = exchange.respond(event.data)
    return step


def _require_privacy(context: Context) -> None:
    if context.connection.tls is None and not context.settings.allow_plaintext:
        raise No("PRIVACYREQUIRED", "Passwords are taken under TLS only")


async def _log_in(context: Context, name: str, password: str) -> bytes:
    connection = context.connection
    try:
        account = await context.services.login.authenticate(
            name,
            password,
            peer=connection.peer[0],
            protocol="imap",
            session=connection.id,
            tls=str(connection.tls or ""),
        )
    except InvalidCredentials as error:
        await _answer_late(context, error.delay)
        raise No("AUTHENTICATIONFAILED", "Wrong name or password") from None
    except TooManyFailures:
        await _answer_late(context, 0)
        raise No("LIMIT", "Too many failed logins, try again later") from None
    await context.obey_switches(account)
    context.account = account
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
