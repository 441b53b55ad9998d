"""AUTH (RFC 4954): the exchange, the login, and what a failure costs."""

from __future__ import annotations

import asyncio

from postier.accounts.exchange import run_exchange
from postier.accounts.login import (
    AppPasswordDemanded,
    Door,
    InvalidCredentials,
    LoginBusy,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.base.log import Log
from postier.base.status import Reply
from postier.net.api import Wake
from postier.sasl.api import SaslError
from postier.sasl.encoding import encode_base64
from postier.smtp.inbound.dialogue import Dialogue
from postier.smtp.wire.events import Auth, AuthCancelled, AuthResponse, Event
from postier.smtp.wire.server import SmtpServer
from postier.store.api import StoreError

__all__ = ["authenticate", "mechanisms"]

log = Log("submission")

_WELCOME = Reply(235, "2.7.0", "Authenticated")
_UNKNOWN = Reply(504, "5.5.4", "That mechanism is not offered")
_INVALID = Reply(535, "5.7.8", "The name or the password is wrong")
_WAIT = Reply(454, "4.7.0", "Too many failed logins, try again later")
_NOBODY_CAN_SAY = Reply(454, "4.7.0", "Logins cannot be checked at the moment, try again later")
_ENOUGH = Reply(421, "4.7.0", "Too many failed logins, closing")
_FACTOR = Reply(
    534,
    "5.7.9",
    "This account needs an app password for this program: make one in the portal, or ask your administrator",
)
_BUSY = Reply(454, "4.7.0", "Too many logins at the moment, try again later")
_REFUSALS: dict[type[LoginRefused], Reply] = {
    AppPasswordDemanded: _FACTOR,
    LoginBusy: _BUSY,
    InvalidCredentials: _INVALID,
    MayNotActForOthers: _INVALID,
    TooManyFailures: _WAIT,
}


class _GivenUp(Exception):
    """The client cancelled (it has its reply) or is gone."""


def door_of(dialogue: Dialogue) -> Door:
    return Door.of(dialogue.connection, "submission", trusted=dialogue.settings.trust_loopback)


def mechanisms(dialogue: Dialogue) -> tuple[str, ...]:
    """What EHLO may offer here."""
    return dialogue.services.login.mechanisms(door_of(dialogue))


async def authenticate(dialogue: Dialogue, core: SmtpServer, event: Auth) -> None:
    """Run the exchange to its reply; `dialogue.entry` is there after a good one."""
    if event.mechanism not in mechanisms(dialogue):
        core.reply(_UNKNOWN)
        return

    async def ask(data: bytes) -> bytes:
        core.challenge(encode_base64(data).decode())
        return await _response(dialogue, core)

    login, door = dialogue.services.login, door_of(dialogue)
    try:
        dialogue.log_in(await run_exchange(login, door, event.mechanism, event.initial, ask))
    except SaslError as error:
        _fail(dialogue, core, Reply(501, "5.5.2", str(error)))
    except LoginRefused as refused:
        if refused.delay > 0:
            await asyncio.sleep(refused.delay)
        _fail(dialogue, core, _REFUSALS[type(refused)])
    except StoreError as error:  # RFC 4954 6
        log.fault("login not checked", session=dialogue.connection.id, why=error)
        core.reply(_NOBODY_CAN_SAY)
    except _GivenUp:
        pass
    else:
        core.reply(_WELCOME)


async def _response(dialogue: Dialogue, core: SmtpServer) -> bytes:
    """Raises _GivenUp."""
    event: Event | Wake | None = Wake()
    while isinstance(event, Wake):
        event = await dialogue.connection.event(core, dialogue.settings.timeout)
    if isinstance(event, AuthCancelled):
        core.reply(event.reply)
    if not isinstance(event, AuthResponse):
        raise _GivenUp
    return event.data


def _fail(dialogue: Dialogue, core: SmtpServer, reply: Reply) -> None:
    """One failure more; the last one ends the dialogue."""
    dialogue.login_failures += 1
    if dialogue.login_failures >= dialogue.settings.max_login_failures:
        core.hang_up(_ENOUGH)
    else:
        core.reply(reply)
