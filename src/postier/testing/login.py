"""A Login without store, hashes or back-off, for tests of what comes behind it."""

from __future__ import annotations

from postier.accounts.login import Door, Entry, MayNotActForOthers
from postier.net.api import Connection
from postier.sasl.api import Credentials, Proof, SaslError, ScramSalt
from postier.sasl.mechanisms import offered
from postier.store.api import Account

__all__ = ["FakeLogin"]


class FakePresence:
    def leave(self, connection: Connection) -> None: ...


class FakeLogin:
    """To be finished by `account`. Stands where a `Login` is asked for."""

    presence = FakePresence()

    def mechanisms(self, door: Door) -> tuple[str, ...]:
        return offered(door.channel, {Credentials})

    async def account(self, name: str, password: str, door: Door) -> Account:
        """Raises LoginRefused."""
        raise NotImplementedError

    async def authenticate(self, proof: Proof, door: Door) -> Entry:
        assert isinstance(proof, Credentials)
        if proof.authorization_id not in ("", proof.authentication_id):
            raise MayNotActForOthers
        return Entry(await self.account(proof.authentication_id, proof.password, door))

    async def prove(self, proof: Proof, door: Door) -> tuple[Entry, bytes]:
        return await self.authenticate(proof, door), b""

    async def scram_salt(self, name: str, door: Door) -> ScramSalt:
        raise SaslError("no salt here")
