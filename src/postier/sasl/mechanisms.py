"""The mechanisms offered, strongest first."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from postier.sasl.api import (
    BearerToken,
    Challenge,
    Channel,
    ClientCertificate,
    Credentials,
    Exchange,
    Mechanism,
    Proof,
    SaslError,
    ScramProof,
    Step,
)
from postier.sasl.external import External
from postier.sasl.oauth import OAuthBearer, XOAuth2
from postier.sasl.scram import Scram

__all__ = ["MECHANISMS", "Login", "Plain", "offered"]

MAX_NAME_OCTETS = 1000


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError(f"The {what} is not UTF-8") from None


def _credentials(authorization_id: bytes, authentication_id: bytes, password: bytes) -> Credentials:
    if not authentication_id or not password:
        raise SaslError("The name or the password is empty")
    if len(authentication_id) > MAX_NAME_OCTETS or len(authorization_id) > MAX_NAME_OCTETS:
        raise SaslError("The name is too long")
    return Credentials(
        _text(authorization_id, "authorization identity"),
        _text(authentication_id, "name"),
        _text(password, "password"),
    )


class Plain(Exchange):
    """RFC 4616: `[authzid] NUL authcid NUL passwd`, in one message."""

    __slots__ = ()

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        parts = response.split(b"\0", 3)
        if len(parts) != 3:
            raise SaslError("Not a PLAIN message")
        return _credentials(*parts)


class Login(Exchange):
    """No standard, but what Outlook and many devices speak: the name, then the password."""

    __slots__ = ("_name",)

    def __init__(self) -> None:
        self._name: bytes | None = None

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"Username:") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        if self._name is None:
            self._name = response
            return Challenge(b"Password:")
        if b"\0" in self._name or b"\0" in response:
            raise SaslError("NUL in the name or the password")
        return _credentials(b"", self._name, response)


def _confidential(channel: Channel) -> bool:
    """Only TLS hides what this mechanism shows."""
    return channel.confidential


def _bindable(channel: Channel) -> bool:
    return bool(channel.bindings)


def _certified(channel: Channel) -> bool:
    return bool(channel.certificate)


MECHANISMS = {
    mechanism.name: mechanism
    for mechanism in (
        Mechanism("EXTERNAL", External, ClientCertificate, _certified, "4422 A"),
        Mechanism("SCRAM-SHA-256-PLUS", partial(Scram, plus=True), ScramProof, _bindable, "7677"),
        Mechanism("SCRAM-SHA-256", partial(Scram, plus=False), ScramProof, _confidential, "7677"),
        Mechanism("OAUTHBEARER", lambda _: OAuthBearer(), BearerToken, _confidential, "7628"),
        Mechanism("XOAUTH2", lambda _: XOAuth2(), BearerToken, _confidential, "7628"),
        Mechanism("PLAIN", lambda _: Plain(), Credentials, _confidential, "4616"),
        Mechanism("LOGIN", lambda _: Login(), Credentials, _confidential, "draft-murchison-sasl-login"),
    )
}


def offered(channel: Channel, checked: Collection[type[Proof]]) -> tuple[str, ...]:
    """Names to announce on this channel, in order; `checked`: the proofs that somebody can check."""
    return tuple(m.name for m in MECHANISMS.values() if m.ends_in in checked and m.possible(channel))
