"""One provider, asked: its metadata, its keys, and what it says of a token.

What it says of itself is kept for an hour, and used for a day while it does not answer. A key that is not
known is asked for at most once a minute, whatever tokens name. While it is away nobody waits for it twice:
for some seconds after a failure the answer is that nobody can say.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from urllib.parse import quote_plus

from postier.accounts.login_ports import TokenRefused
from postier.base.clock import Clock
from postier.base.log import Log
from postier.fetch.client import HttpClient
from postier.fetch.https import HttpsError
from postier.fetch.url import parse_url
from postier.oidc.access_token import Jwt, PublicKey, candidates, read_keys, verify_jwt
from postier.oidc.api import BadMetadata, Metadata, Provider, parse_metadata, well_known
from postier.oidc.claims import Claims, check_claims, read_object
from postier.store.api import StoreUnavailable

__all__ = ["FRESH", "REST", "STALE", "UNKNOWN_KEY", "ProviderUnavailable", "Source"]

FRESH = 3600.0
"""Seconds for which what a provider says of itself is not asked for again."""
STALE = 86400.0
"""Seconds for which it is used while the provider does not answer."""
UNKNOWN_KEY = 60.0
"""Seconds between two questions for a key that is not known."""
REST = 10.0
"""Seconds after a failure in which the provider is not asked again."""
LIMIT = 256 * 1024
JSON = ("application/json",)
KEY_TYPES = ("application/json", "application/jwk-set+json")
AT_ONCE = 8
"""Questions about tokens of one worker at a time."""
WAITING = 100
"""Further ones that wait for these; more are told at once that nobody can say."""

_OF_THE_TOKEN = (400, 413, 414, 422, 431)
"""Answers that are about this token, as of a kind that can't be asked about."""

Value = TypeVar("Value")
log = Log("oidc")


class ProviderUnavailable(StoreUnavailable):
    """Nobody can say now whose token it is."""


class _Kept(Generic[Value]):
    """Something a provider is asked for, kept as the module says. `name` is for the log."""

    def __init__(self, clock: Clock, name: str, ask: Callable[[], Awaitable[Value]]) -> None:
        self._clock = clock
        self._name = name
        self._ask = ask
        self._value: Value | None = None
        self._at = 0.0
        self._tried = -REST
        self.trouble = ""
        """Why it could not be had the last time."""
        self._lock = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None

    async def get(self, *, newer: bool = False) -> Value:
        """Asked anew where it is older than FRESH, behind the caller's back as long as it is not STALE.
        `newer`: now, if it is older than UNKNOWN_KEY. Raises ProviderUnavailable."""
        if newer:
            await self._refresh(UNKNOWN_KEY)
        elif self._value is None or self._age() > STALE:
            await self._refresh(STALE)
        elif self._age() > FRESH and (self._behind is None or self._behind.done()):
            self._behind = asyncio.create_task(self._refresh(FRESH), name=self._name)
        if self._value is None or self._age() > STALE:
            raise ProviderUnavailable(f"{self._name} cannot be had")
        return self._value

    async def _refresh(self, oldest: float) -> None:
        async with self._lock:
            is_needed = self._value is None or self._age() > oldest
            if is_needed and self._clock.monotonic() - self._tried >= REST:
                await self._ask_now()

    async def _ask_now(self) -> None:
        try:
            self._value = await self._ask()
        except (HttpsError, BadMetadata, TokenRefused, ProviderUnavailable) as error:
            self._tried, self.trouble = self._clock.monotonic(), str(error)
            log.warning("provider does not answer", what=self._name, why=error, known=self._value is not None)
            return
        self._at, self.trouble = self._clock.monotonic(), ""

    def _age(self) -> float:
        return self._clock.monotonic() - self._at


class Source:
    """`now` of the clock judges tokens; its monotonic side what is kept."""

    def __init__(self, provider: Provider, client: HttpClient, clock: Clock) -> None:
        self.provider = provider
        self._client = client
        self._clock = clock
        self._metadata = _Kept(clock, f"the metadata of {provider.issuer}", self._ask_metadata)
        self._keys = _Kept(clock, f"the keys of {provider.issuer}", self._ask_keys)
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._rests_until = 0.0

    @property
    def trouble(self) -> str:
        """What was wrong when it was asked last, for the administrator."""
        return self._metadata.trouble or self._keys.trouble

    @property
    def discovery(self) -> str:
        """What clients are told (RFC 7628 3.2.2)."""
        return self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"

    async def metadata(self) -> Metadata:
        """Raises ProviderUnavailable."""
        return await self._metadata.get()

    async def keys(self) -> list[PublicKey]:
        """Raises ProviderUnavailable."""
        return await self._keys.get()

    async def read(self, jwt: Jwt) -> Claims:
        """What a JWT of this provider says. Raises TokenRefused, ProviderUnavailable."""
        keys = await self._keys.get()
        if not candidates(jwt, keys):
            keys = await self._keys.get(newer=True)
        return verify_jwt(self.provider, jwt, keys, self._clock.now())

    async def introspect(self, token: str) -> Claims:
        """What the provider says of a token now (RFC 7662). Raises TokenRefused, ProviderUnavailable."""
        if self._clock.monotonic() < self._rests_until:
            raise ProviderUnavailable(f"{self.provider.issuer} has just not answered")
        if self._waiting >= WAITING:
            raise ProviderUnavailable(f"too many questions wait for {self.provider.issuer}")
        self._waiting += 1
        try:
            async with self._asking:
                claims = read_object(await self._ask_about(token))
        except (HttpsError, TokenRefused) as error:
            if isinstance(error, HttpsError) and error.status in _OF_THE_TOKEN:
                raise TokenRefused(detail=f"the provider does not take the token: {error}") from None
            self._rests_until = self._clock.monotonic() + REST
            log.warning("provider does not answer", what=self.provider.issuer, why=error)
            raise ProviderUnavailable(f"{self.provider.issuer}: {error}") from None
        finally:
            self._waiting -= 1
        if claims.get("active") is not True:
            raise TokenRefused(detail="the provider says that the token is not active")
        if claims.get("iss", self.provider.issuer) != self.provider.issuer:
            raise TokenRefused(detail="the token is another issuer's (iss)")
        if str(claims.get("token_type", "Bearer")).lower() not in ("bearer", "access_token"):
            raise TokenRefused(detail="not a bearer token (token_type)")
        check_claims(self.provider, claims, self._clock.now())
        return claims

    async def _ask_about(self, token: str) -> bytes:
        """Raises HttpsError, ProviderUnavailable."""
        metadata = await self._metadata.get()
        if not metadata.introspection_endpoint:
            raise ProviderUnavailable(f"{self.provider.issuer} cannot be asked about tokens")
        form = {"token": token, "token_type_hint": "access_token"}
        headers = {"Accept": "application/json"}
        methods = metadata.introspection_methods
        who = self.provider.client_id, self.provider.client_secret
        if "client_secret_post" in methods and "client_secret_basic" not in methods:
            form |= {"client_id": who[0], "client_secret": who[1]}
        else:  # RFC 6749 2.3.1
            pair = ":".join(quote_plus(one) for one in who)
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        url = parse_url(metadata.introspection_endpoint)
        return await self._client.post_form(url, form, headers=headers, types=JSON, limit=LIMIT)

    async def _ask_metadata(self) -> Metadata:
        first, second = well_known(parse_url(self.provider.issuer))
        try:
            document = await self._client.get(first, types=JSON, limit=LIMIT)
        except HttpsError as error:
            if error.status != 404:
                raise
            document = await self._client.get(second, types=JSON, limit=LIMIT)
        return parse_metadata(self.provider, document)

    async def _ask_keys(self) -> list[PublicKey]:
        metadata = await self._metadata.get()
        if not metadata.jwks_uri:
            raise BadMetadata(f"{self.provider.issuer} publishes no keys")
        return read_keys(await self._client.get(parse_url(metadata.jwks_uri), types=KEY_TYPES, limit=LIMIT))
