"""The AUTHORIZATION state (RFC 1939 4): until somebody has logged in, by USER and PASS or AUTH (RFC 5034)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from postier.accounts.exchange import run_exchange
from postier.accounts.login import (
    AppPasswordDemanded,
    Door,
    Entry,
    InvalidCredentials,
    LoginBusy,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.accounts.pop3_rules import applied, login_wait, note_reader, strictest
from postier.base.log import Log
from postier.net.api import Connection
from postier.pop3.services import Pop3Services, Pop3Settings, next_event
from postier.pop3.wire.capabilities import Policy
from postier.pop3.wire.events import Auth, AuthResponse, Capa, Lang, Pass, Pop3Event, Quit, Stls, User
from postier.pop3.wire.server import Pop3Server
from postier.pop3.wire.words import LANGUAGES
from postier.sasl.api import Credentials, SaslError
from postier.store.api import StoreError

__all__ = ["REFUSALS", "TOO_SOON", "Authorization", "tell_fault"]

TOO_SOON = "Too soon after the last login, wait {wait} s"

REFUSALS: dict[type[LoginRefused], tuple[str, str]] = {
    AppPasswordDemanded: (
        "This account needs an app password for this program: make one in the portal, or ask your"
        " administrator",
        "AUTH",
    ),
    LoginBusy: ("Too many logins at the moment, try again later", "SYS/TEMP"),
    InvalidCredentials: ("Wrong name or password", "AUTH"),
    MayNotActForOthers: ("You may not act for somebody else", "AUTH"),
    TooManyFailures: ("Too many failures, try later", "SYS/TEMP"),
}

log = Log("pop3")


def tell_fault(core: Pop3Server, connection: Connection, error: StoreError) -> None:
    """A fault of the store is temporary, and nobody's business outside."""
    log.fault("store", why=error, session=connection.id)
    core.error("Temporary failure, try later", "SYS/TEMP")


class _GivenUp(Exception):
    """The client cancelled the exchange, or is gone."""


class Authorization:
    """One client on its way in."""

    def __init__(
        self, connection: Connection, core: Pop3Server, services: Pop3Services, settings: Pop3Settings
    ) -> None:
        self._connection = connection
        self._core = core
        self._services = services
        self._settings = settings
        self._failures = 0

    async def run(self) -> Entry | None:
        """Who has logged in, with that not yet said; None if the connection is over."""
        while self._failures < self._settings.max_login_failures:
            event = await next_event(self._connection, self._core, self._settings.login_timeout)
            entry = None
            match event:
                case Pass(name, password):
                    proof = Credentials("", name, password)
                    entry = await self._login(self._services.login.authenticate(proof, self._door()))
                case Auth(mechanism, initial):
                    entry = await self._exchange(mechanism, initial)
                case Quit():
                    self._core.ok("Goodbye")
                    break
                case Capa() | Lang() | Stls() | User():
                    await self._answer(event)
                case _:  # the end of input, or too many errors
                    break
            if entry is not None:
                return entry
        await self._connection.flush(self._core)
        return None

    async def _answer(self, event: Pop3Event) -> None:
        match event:
            case Capa():
                self._core.tell_capabilities(await self._policy())
            case Lang():  # nobody is known yet whose language it could be
                self._core.speak(next(iter(LANGUAGES)))
            case Stls():
                self._core.ok("Begin TLS")
                await self._connection.start_tls(self._core)
                self._core.start_over()
            case _:
                self._core.ok()

    async def _policy(self) -> Policy:
        """What is true of everybody who may log in."""
        try:
            found = await strictest(self._services.store.reader, self._settings.usual)
        except StoreError as error:
            log.fault("store", why=error, session=self._connection.id)
            return Policy(self._settings.usual.expire or None, self._settings.usual.login_delay)
        rules, expire_differs, delay_differs = found
        return Policy(rules.expire or None, rules.login_delay, expire_differs, delay_differs)

    async def _exchange(self, mechanism: str, initial: bytes | None) -> Entry | None:
        try:
            attempt = run_exchange(self._services.login, self._door(), mechanism, initial, self._ask)
            return await self._login(attempt)
        except SaslError as error:
            self._failures += 1
            self._core.error(str(error), "AUTH")
        except _GivenUp:
            pass
        return None

    async def _ask(self, challenge: bytes) -> bytes:
        """Raises _GivenUp."""
        self._core.challenge(challenge)
        match await next_event(self._connection, self._core, self._settings.login_timeout):
            case AuthResponse(data):
                return data
            case _:
                raise _GivenUp

    def _door(self) -> Door:
        return Door.of(self._connection, "pop3", trusted=self._settings.allow_plaintext)

    async def _login(self, attempt: Awaitable[Entry]) -> Entry | None:
        """Who is in, or None with the refusal said."""
        try:
            entry = await attempt
            wait = await self._wait(entry)
            if not wait:
                return entry
            self._core.error(TOO_SOON, "LOGIN-DELAY", wait=wait)
        except LoginRefused as refused:
            if refused.delay > 0:
                await asyncio.sleep(refused.delay)
            if isinstance(refused, TooManyFailures):
                self._failures = self._settings.max_login_failures
            self._core.error(*REFUSALS[type(refused)])
        except StoreError as error:
            tell_fault(self._core, self._connection, error)
        self._failures += 1
        return None

    async def _wait(self, entry: Entry) -> int:
        """Seconds until this device may log in again (RFC 2449 6.5), 0 for now."""
        store, account_id = self._services.store, entry.account.account_id
        rules = applied(await store.reader.pop3_rules(account_id), self._settings.usual)
        now = self._services.clock.now()
        if rules.login_delay:
            return await login_wait(store, account_id, entry.app_password, rules.login_delay, now)
        if rules.expire:
            await note_reader(store, account_id, entry.app_password, now)
        return 0
