"""Whose token is this: the providers together, and the accounts here that their people have.

An answer is remembered for KEPT seconds at most, also a refusal, and never past the token's end: so long a
token that the provider has revoked may be good here, where the provider is asked about tokens at all.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from postier.accounts.audit import Actor
from postier.accounts.login_ports import TokenIdentity, TokenRefused
from postier.accounts.people import PeopleError, add_person
from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.log import Log
from postier.oidc.access_token import read_jwt
from postier.oidc.claims import SKEW, Claims, expiry, whose
from postier.oidc.source import Source
from postier.sasl.oauth import MAX_TOKEN
from postier.store.api import AccountKind, Store

__all__ = ["KEPT", "OAuthAdvice", "OidcVerifier"]

KEPT = 60.0
MOST = 10_000
"""Answers that are remembered."""
MAX_DISPLAY_NAME = 200

log = Log("oidc")


class OAuthAdvice(NamedTuple):
    """What mail programs need to get a token: values of autoconfig's OAuth2 element."""

    issuer: str
    scope: str
    authorization_url: str
    token_url: str
    client: str


class _Bearer(NamedTuple):
    """Whom a token is for, by its provider. `expires`: 0 for not known."""

    source: Source
    address: str
    display_name: str
    expires: float


class _Remembered(NamedTuple):
    """`answer` holds until then."""

    answer: _Bearer | TokenRefused
    until: float


class OidcVerifier:
    """A `TokenVerifier` (see accounts.login_ports)."""

    def __init__(self, sources: Sequence[Source], store: Store, clock: Clock) -> None:
        self._sources = sources
        self._store = store
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._key = os.urandom(32)

    def told(self, name: str) -> tuple[str, str]:
        """The OpenID configuration and the scopes that a client is told of who gives this name; "" for both
        where that is not clear."""
        found = self._of(_domain(name))
        return (found[0].discovery, " ".join(found[0].provider.scope)) if len(found) == 1 else ("", "")

    async def advice(self, domain: str) -> OAuthAdvice | None:
        """For mail programs of the domain's people (A-labels); None where it has no provider, or they are to
        be told nothing. Raises ProviderUnavailable."""
        found = self._of(domain)
        if len(found) != 1 or not found[0].provider.announced_client:
            return None
        provider, metadata = found[0].provider, await found[0].metadata()
        if not metadata.authorization_endpoint or not metadata.token_endpoint:
            return None
        scope = " ".join(provider.scope)
        return OAuthAdvice(
            provider.issuer,
            scope,
            metadata.authorization_endpoint,
            metadata.token_endpoint,
            provider.announced_client,
        )

    async def verify(self, token: str, name: str = "") -> TokenIdentity:
        """Raises TokenRefused, or StoreUnavailable where nobody can say now. `name`: whom the client says it
        is, by which the provider of an opaque token is chosen."""
        if not 0 < len(token) <= MAX_TOKEN or not token.isascii():
            raise TokenRefused(detail="too long, or no token")
        key = blake2b(token.encode(), key=self._key).digest()
        known = self._remembered.get(key)
        if known is None or self._clock.now() >= known.until:
            known = await self._ask(token, name)
            self._remember(key, known)
        if isinstance(known.answer, TokenRefused):
            raise TokenRefused(known.answer.reason, str(known.answer))
        return TokenIdentity(await self._account(known.answer), known.answer.expires)

    async def _ask(self, token: str, name: str) -> _Remembered:
        """Raises StoreUnavailable."""
        now = self._clock.now()
        try:
            source, claims = await self._claims(token, name)
            said = claims.get("name")
            shown = said[:MAX_DISPLAY_NAME] if isinstance(said, str) and said.isprintable() else ""
            bearer = _Bearer(source, whose(source.provider, claims), shown, expiry(claims))
        except TokenRefused as refusal:
            return _Remembered(refusal, now + KEPT)
        end = bearer.expires + SKEW if bearer.expires else now + KEPT
        return _Remembered(bearer, min(now + KEPT, end))

    def _remember(self, key: bytes, answer: _Remembered) -> None:
        self._remembered[key] = answer
        self._remembered.move_to_end(key)
        if len(self._remembered) > MOST:
            self._remembered.popitem(last=False)

    async def _claims(self, token: str, name: str) -> tuple[Source, Claims]:
        jwt = read_jwt(token)
        if jwt is not None:
            for source in self._sources:
                if source.provider.issuer == jwt.issuer:
                    claims = await source.read(jwt)
                    return source, await source.introspect(token) if source.provider.introspect else claims
            raise TokenRefused(detail="the token is of an issuer that is none of ours (iss)")
        asked = [source for source in self._of(_domain(name)) if source.provider.asks]
        if len(asked) != 1:  # a token is shown to nobody who might not have issued it
            raise TokenRefused(detail="not a JWT, and no provider to ask about it")
        return asked[0], await asked[0].introspect(token)

    def _of(self, domain: str) -> list[Source]:
        """The providers of a domain; all of them for "", which is not known."""
        return [
            one
            for one in self._sources
            if not domain or not one.provider.domains or domain in one.provider.domains
        ]

    async def _account(self, bearer: _Bearer) -> str:
        """The name of the account, made now where that is wanted. Raises TokenRefused."""
        provider = bearer.source.provider
        try:
            address = Address.parse(bearer.address)
        except ValueError:
            raise TokenRefused(detail=f"{provider.claim} is no address") from None
        if provider.domains and str(address.domain) not in provider.domains:
            raise TokenRefused(detail=f"{address.domain} is not a domain of this provider")
        account = await self._store.reader.account_named(address.lookup_key)
        if account is None and provider.create:
            await self._create(bearer, address)
            account = await self._store.reader.account_named(address.lookup_key)
        if account is None or account.kind is not AccountKind.PERSON:
            raise TokenRefused(detail=f"there is no person {address.lookup_key}")
        return account.name

    async def _create(self, bearer: _Bearer, address: Address) -> None:
        by = Actor("oidc", bearer.source.provider.issuer)
        try:
            await add_person(self._store, address, "", display_name=bearer.display_name, by=by)
        except PeopleError as error:  # also where another worker was faster
            log.warning("no account made", address=address.lookup_key, why=error)
            return
        log.info("account made", address=address.lookup_key, issuer=by.name)


def _domain(name: str) -> str:
    """Of an address, in A-labels; "" where there is none."""
    try:
        return str(Address.parse(name).domain)
    except ValueError:
        return ""
