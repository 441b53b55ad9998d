"""The words of logging in: who knocks where (Door), who is in (Entry), and why somebody is not.

Who checks what is `accounts.login`; how a mechanism is run over a connection is `accounts.exchange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from postier.net.api import Connection
from postier.sasl.api import Channel
from postier.store.api import Account

__all__ = [
    "AppPasswordDemanded",
    "Door",
    "Entry",
    "InvalidCredentials",
    "LoginBusy",
    "LoginRefused",
    "MayNotActForOthers",
    "TooManyFailures",
]


UNBOUND = frozenset({"pop3"})
"""Protocols whose programs are not offered SCRAM-...-PLUS: NeoMutt chooses it without having a binding, does
not wait for the answer to its own cancelling, and then takes that answer for the one to USER."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who knocks, and where. `protocol`: "imap", "pop3", "submission", "api", "portal". `peer`: an address.
    `session` names the connection in the log. `tls`: version and cipher, "" for clear text. `connection`: to
    be ended when its login is no longer good; None for what is over at once."""

    protocol: str
    peer: str
    session: str
    tls: str = ""
    channel: Channel = field(default=Channel(), compare=False)
    connection: Connection | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, connection: Connection, protocol: str, *, trusted: bool) -> Door:
        """The door at which this connection stands. `trusted`: passwords may cross it in clear."""
        tls = connection.tls
        bindings = {} if protocol in UNBOUND else connection.channel_bindings
        channel = Channel(
            tls is not None or trusted, tuple(bindings), bindings.__getitem__, connection.client_certificate
        )
        return cls(protocol, connection.peer[0], connection.id, str(tls or ""), channel, connection)


class Entry(NamedTuple):
    """Somebody is in. `app_password`: the id of the one that was used, 0 for none. `mechanism`: how it was
    proved: "password", "app-password", "token", "certificate"."""

    account: Account
    app_password: int = 0
    mechanism: str = "password"


class LoginRefused(Exception):
    """Somebody is not let in. Wait `delay` seconds before saying so."""

    def __init__(self, text: str, delay: float = 0.0) -> None:
        super().__init__(text)
        self.delay = delay


class InvalidCredentials(LoginRefused):
    """Wrong name or password, and nobody learns which. `facts`: what is told of a token (RFC 7628 3.2.2)."""

    def __init__(self, delay: float, facts: Mapping[str, str] | None = None) -> None:
        super().__init__("invalid credentials", delay)
        self.facts = facts or {}


class MayNotActForOthers(LoginRefused):
    """The client asked for another identity than its own (RFC 4422 2)."""

    def __init__(self) -> None:
        super().__init__("may not act for others")


class AppPasswordDemanded(LoginRefused):
    """The password is right, and not enough here: this account's mail programs need an app password."""

    def __init__(self) -> None:
        super().__init__("an app password is needed")


class LoginBusy(LoginRefused):
    """So many wait for their passwords to be checked that this one has to come again later."""

    def __init__(self) -> None:
        super().__init__("too many logins at once")


class TooManyFailures(LoginRefused):
    """Refused unseen; `wait` seconds until the next try counts."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many failures, wait {wait:.0f} s")
        self.wait = wait
