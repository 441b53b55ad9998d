"""AUTH (RFC 4954): the exchange, the login, and what a failure costs."""

from __future__ import annotations

import asyncio

from postier.accounts.login import InvalidCredentials, TooManyFailures
from postier.base.status import Reply
from postier.net.api import Wake
from postier.sasl.api import Challenge, Credentials, Exchange, SaslError, Step
from postier.sasl.encoding import encode_base64
from postier.sasl.mechanisms import MECHANISMS, offered
from postier.smtp.inbound.dialogue import Dialogue
from postier.smtp.wire.events import Auth, AuthCancelled, AuthResponse, Event
from postier.smtp.wire.server import SmtpServer
from postier.store.api import Account

__all__ = ["authenticate", "mechanisms"]

_WELCOME = Reply(235, "2.7.0", "Authenticated")
_UNKNOWN = Reply(504, "5.5.4", "That mechanism is not offered")
_INVALID = Reply(535, "5.7.8", "The name or the password is wrong")
_WAIT = Reply(454, "4.7.0", "Too many failed logins, try again later")
_ENOUGH = Reply(421, "4.7.0", "Too many failed logins, closing")


def mechanisms(dialogue: Dialogue) -> tuple[str, ...]:
    """What EHLO may offer here: only TLS hides a password."""
    confidential = dialogue.connection.tls is not None or dialogue.settings.trust_loopback
    return offered(confidential=confidential)


async def authenticate(dialogue: Dialogue, core: SmtpServer, event: Auth) -> None:
    """Run the exchange to its reply; `dialogue.account` is there after a good one. Raises StoreError."""
    if event.mechanism not in mechanisms(dialogue):
        core.reply(_UNKNOWN)
        return
    try:
        credentials = await _exchange(dialogue, core, MECHANISMS[event.mechanism].make(), event.initial)
    except SaslError as error:
        core.reply(Reply(501, "5.5.2", str(error)))
        return
    if credentials is None:
        return
    account = await _log_in(dialogue, core, credentials)
    if account is not None:
        dialogue.account = account
        core.reply(_WELCOME)


async def _exchange(
    dialogue: Dialogue, core: SmtpServer, exchange: Exchange, initial: bytes | None
) -> Credentials | None:
    """None: the client gave up (it has its reply) or is gone. Raises SaslError."""
    step: Step = exchange.start(initial)
    while isinstance(step, Challenge):
        core.challenge(encode_base64(step.data).decode())
        event: Event | Wake | None = Wake()
        while isinstance(event, Wake):
            event = await dialogue.connection.event(core, dialogue.settings.timeout)
        if isinstance(event, AuthCancelled):
            core.reply(event.reply)
        if not isinstance(event, AuthResponse):
            return None
        step = exchange.respond(event.data)
    return step


async def _log_in(dialogue: Dialogue, core: SmtpServer, credentials: Credentials) -> Account | None:
    """None: refused, and the client has its reply."""
    if not credentials.acts_for_itself:
        _fail(dialogue, core, _INVALID)
        return None
    try:
        return await dialogue.services.login.authenticate(
            credentials.authentication_id,
            credentials.password,
            peer=dialogue.connection.peer[0],
            protocol="submission",
            session=dialogue.connection.id,
            tls=str(dialogue.connection.tls or ""),
        )
    except TooManyFailures:
        _fail(dialogue, core, _WAIT)
    except InvalidCredentials as error:
        await asyncio.sleep(error.delay)
        _fail(dialogue, core, _INVALID)
    return None


def _fail(dialogue: Dialogue, core: SmtpServer, reply: Reply) -> None:
    """One failure more; the last one ends the dialogue."""
    dialogue.login_failures += 1
    if dialogue.login_failures >= dialogue.settings.max_login_failures:
        core.hang_up(_ENOUGH)
    else:
        core.reply(reply)
