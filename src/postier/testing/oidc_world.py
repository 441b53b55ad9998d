"""A provider on the loopback that says whatever a test wants, and tokens that it has signed."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from postier.accounts.people import add_person
from postier.base.address import Address
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.fetch.client import HttpClient
from postier.oidc.api import Provider
from postier.oidc.source import Source
from postier.oidc.verifier import OidcVerifier
from postier.store.api import Domain, Store
from postier.store.sqlite import open_sqlite
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

__all__ = [
    "ALICE",
    "AUDIENCE",
    "EC",
    "ED",
    "OTHER",
    "RSA",
    "SCOPE",
    "FakeProvider",
    "World",
    "public",
    "raw",
    "sign",
    "world_in",
]

AUDIENCE, SCOPE = "https://mail.orchard.test", "mail"
ALICE = "alice@orchard.test"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"})


def public(*keys: Any, **more: Any) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), **more} for key in keys]}


@dataclass
class FakeProvider:
    """`answers`: a body for each path, or a status. `asked`: what came, in order."""

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    connections: int = 0

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _, _ in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        body = (await reader.readexactly(int(fields.get("content-length", 0)))).decode()
        path = lines[0].split(" ")[1]
        self.asked.append((path, fields, body))
        answer = self.answers.get(path, 404)
        if callable(answer):
            answer = answer(body)
        status, text = (answer, "{}") if isinstance(answer, int) else (200, answer)
        content = (
            text
            if isinstance(text, bytes)
            else (text if isinstance(text, str) else json.dumps(text)).encode()
        )
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            "Location: /elsewhere\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()

    def describe(self, **more: Any) -> None:
        """Its metadata, and keys."""
        self.answers["/.well-known/openid-configuration"] = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            "introspection_endpoint": f"{self.issuer}/introspect",
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            **more,
        }
        self.answers["/jwks"] = public(RSA, EC, ED)


@dataclass
class World:
    """A store with alice and bob, a provider, and what verifies its tokens."""

    store: Store
    clock: SettableClock
    fake: FakeProvider
    verifier: OidcVerifier
    source: Source

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Of a good token of alice's; a change to None leaves one out."""
        now = int(self.clock.now())
        plain = {
            "iss": self.fake.issuer,
            "aud": AUDIENCE,
            "scope": f"openid {SCOPE}",
            "exp": now + 600,
            "iat": now,
            "sub": "1",
            "email": ALICE,
            "email_verified": True,
        }
        return {name: value for name, value in {**plain, **changes}.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, key: Any = RSA, **changes: Any) -> str:
        known = {"alg": "RS256", "kid": "rsa", "typ": "at+jwt", **(header or {})}
        return sign(
            {name: value for name, value in known.items() if value is not None}, self.claims(**changes), key
        )


def sign(header: dict[str, Any], claims: Any, key: Any) -> str:
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    registry.max_header_length = 100_000
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, [header["alg"]], registry)


def raw(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    """Whatever it says, signed with that."""
    parts = [
        json.dumps(header).encode(),
        claims if isinstance(claims, bytes) else json.dumps(claims).encode(),
        signature,
    ]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@asynccontextmanager
async def world_in(
    folder: Path, more: Callable[[FakeProvider], dict[str, Any]] | None = None
) -> AsyncIterator[World]:
    """`more`: of the provider's settings."""
    clock = SettableClock(time.time())
    fake = FakeProvider()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    fake.describe()
    blobs = LocalBlobs(folder, "test")
    store = await open_sqlite(folder / "a.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="test")
    try:
        await store.transact(lambda tx: tx.add_domain(Domain("orchard.test", None, "{}")))
        for name in ("alice", "bob"):
            await add_person(store, Address.parse(f"{name}@orchard.test"), "")
        provider = Provider(
            **{
                "issuer": fake.issuer,
                "audience": (AUDIENCE,),
                "scope": (SCOPE,),
                **(more(fake) if more else {}),
            }
        )
        source = Source(provider, HttpClient(ZoneResolver({}), seconds=2), clock)
        yield World(store, clock, fake, OidcVerifier([source], store, clock), source)
    finally:
        await store.close()
        server.close()
