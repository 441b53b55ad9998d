"""EXTERNAL (RFC 4422 A): TLS has already verified who the client is; it says only as whom it wants to act."""

from __future__ import annotations

from postier.sasl.api import Challenge, Channel, ClientCertificate, Exchange, SaslError, Step

__all__ = ["External"]

MAX_NAME_OCTETS = 1000


class External(Exchange):
    __slots__ = ("_certificate",)

    def __init__(self, channel: Channel) -> None:
        self._certificate = channel.certificate

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        if len(response) > MAX_NAME_OCTETS or b"\0" in response:
            raise SaslError("Not an authorization identity")
        try:
            return ClientCertificate(response.decode("utf-8"), "", self._certificate)
        except UnicodeDecodeError:
            raise SaslError("The authorization identity is not UTF-8") from None
