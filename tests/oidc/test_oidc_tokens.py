"""Which JWTs let somebody in, and which of the hostile ones do: none."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.login_ports import TokenRefused
from postier.oidc.claims import SKEW
from postier.sasl.oauth import MAX_TOKEN
from postier.store.api import AccountKind
from postier.testing.oidc_world import (
    ALICE,
    AUDIENCE,
    EC,
    ED,
    OTHER,
    RSA,
    SCOPE,
    World,
    public,
    raw,
    sign,
    world_in,
)


def verified(folder: Path, make: Callable[[World], str], **settings: Any) -> str:
    """The account that a token stands for."""

    async def run() -> str:
        async with world_in(folder, lambda _: settings) as world:
            return (await world.verifier.verify(make(world))).account

    return asyncio.run(run())


def refused(folder: Path, make: Callable[[World], str], **settings: Any) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        verified(folder, make, **settings)
    return caught.value


def a(**changes: Any) -> Callable[[World], str]:
    return lambda world: world.token(**changes)


def headed(**header: Any) -> Callable[[World], str]:
    return lambda world: world.token(header)


GOOD = {
    "as the profile has it": a(),
    "several audiences": a(aud=["https://x", AUDIENCE]),
    "scope as a list (scp)": a(scope=None, scp=["openid", SCOPE]),
    "scope in scp, as one text": a(scope=None, scp=f"x {SCOPE}"),
    "without a type": headed(typ=None),
    "of type JWT": headed(typ="JWT"),
    "of the long type": headed(typ="application/AT+JWT"),
    "verified, told as text": a(email_verified="true"),
    "address in other case": a(email="Alice@ORCHARD.test"),
    "nearly expired": lambda world: world.token(exp=world.clock.now() - SKEW + 1),
    "nearly good": lambda world: world.token(nbf=world.clock.now() + SKEW - 1),
    "elliptic": lambda world: world.token({"alg": "ES256", "kid": "ec"}, EC),
    "PSS": headed(alg="PS512"),
    "Ed25519": lambda world: world.token({"alg": "Ed25519", "kid": "ed"}, ED),
    "EdDSA, as Ed25519 was called before RFC 9864": lambda world: eddsa(world),
    "one elliptic key, without its name": lambda world: world.token({"alg": "ES256", "kid": None}, EC),
    "keys that it brings itself are not looked at": headed(
        jku="https://evil.test/jwks", x5u="https://evil.test/x5u", jwk=public(OTHER)["keys"][0]
    ),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_a_good_token_is_its_owners(tmp_path: Path, make: Callable[[World], str]) -> None:
    assert verified(tmp_path, make) == ALICE


def eddsa(world: World) -> str:
    unsigned = raw({"alg": "EdDSA", "kid": "ed", "typ": "at+jwt"}, world.claims()).rpartition(".")[0]
    signature = ED.get_op_key("sign").sign(unsigned.encode())
    return unsigned + "." + urlsafe_b64encode(signature).rstrip(b"=").decode()


def hmac_token(world: World, secret: bytes) -> str:
    unsigned = raw({"alg": "HS256", "kid": "rsa", "typ": "at+jwt"}, world.claims()).rpartition(".")[0]
    signature = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
    return unsigned + "." + urlsafe_b64encode(signature).rstrip(b"=").decode()


def nested(world: World) -> str:
    inner = world.token().encode()
    header = {"alg": "RS256", "kid": "rsa", "typ": "at+jwt", "cty": "JWT"}
    return sign(header, {"iss": world.fake.issuer, "jwt": inner.decode()}, RSA)


def cut(world: World) -> str:
    head, claims, signature = world.token().split(".")
    return f"{head}.{claims}.{signature[:-8]}"


def changed(world: World) -> str:
    head, _, signature = world.token().split(".")
    _, claims, _ = raw({}, world.claims(email="bob@orchard.test")).split(".")
    return f"{head}.{claims}.{signature}"


HOSTILE = {
    "alg none": lambda w: raw({"alg": "none", "typ": "at+jwt"}, w.claims()),
    "alg None": lambda w: raw({"alg": "None", "typ": "at+jwt"}, w.claims()),
    "alg none with the name of a key": lambda w: raw({"alg": "none", "kid": "rsa"}, w.claims()),
    "alg a list": lambda w: raw({"alg": ["RS256"], "kid": "rsa"}, w.claims()),
    "HS256 with the public key in PEM": lambda w: hmac_token(w, RSA.as_pem(private=False)),
    "HS256 with the public key in DER": lambda w: hmac_token(w, RSA.as_der(private=False)),
    "HS256 with the modulus": lambda w: hmac_token(w, str(RSA.as_dict(private=False)["n"]).encode()),
    "HS256 with nothing": lambda w: hmac_token(w, b""),
    "another's key of the same name": lambda w: w.token(key=OTHER),
    "another's key in the header": lambda w: w.token({"jwk": public(OTHER)["keys"][0]}, OTHER),
    "no key of that name": headed(kid="gone"),
    "the name of a file": headed(kid="../../dev/null"),
    "the name of an SQL": headed(kid="x' UNION SELECT 'k"),
    "the name of a number": lambda w: raw({"alg": "RS256", "kid": 1}, w.claims(), b"x"),
    "a very long name": lambda w: raw({"alg": "RS256", "kid": "k" * 257}, w.claims(), b"x"),
    "an elliptic key's name for RSA": headed(kid="ec"),
    "critical header": lambda w: raw({"alg": "RS256", "crit": ["exp"]}, w.claims(), b"x"),
    "payload not encoded (RFC 7797)": lambda w: raw({"alg": "RS256", "b64": False}, w.claims(), b"x"),
    "ID token by type": headed(typ="id+jwt"),
    "logout token by type": headed(typ="logout+jwt"),
    "ID token by its claims": a(nonce="n"),
    "ID token of Keycloak": a(typ="ID"),
    "refresh token of Keycloak": a(typ="Refresh"),
    "logout token by its claims": a(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "no signature": lambda w: w.token().rpartition(".")[0] + ".",
    "a signature that is cut": cut,
    "claims that were changed": changed,
    "another issuer": a(iss="https://evil.test"),
    "the issuer with a slash": lambda w: w.token(iss=w.fake.issuer + "/"),
    "the issuer in other case": lambda w: w.token(iss=w.fake.issuer.upper()),
    "no issuer": a(iss=None),
    "an issuer that is a list": lambda w: w.token(iss=[w.fake.issuer]),
    "another audience": a(aud="https://other.test"),
    "an audience that begins so": a(aud=AUDIENCE + ".evil.test"),
    "no audience": a(aud=None),
    "an empty audience": a(aud=[]),
    "an audience in an object": a(aud={AUDIENCE: True}),
    "scope and audience changed about": a(aud=SCOPE, scope=AUDIENCE),
    "expired": lambda w: w.token(exp=w.clock.now() - SKEW),
    "never expires": a(exp=None),
    "expires as text": a(exp="99999999999"),
    "expires at the end of time": lambda w: raw({"alg": "RS256"}, b'{"iss":"x","exp":1e999}', b"x"),
    "expires true": a(exp=True),
    "good from tomorrow": lambda w: w.token(nbf=w.clock.now() + SKEW + 5),
    "issued tomorrow": lambda w: w.token(iat=w.clock.now() + 86400),
    "bound to a key": a(cnf={"jkt": "x"}),
    "nobody": a(email="nobody@orchard.test"),
    "no email": a(email=None),
    "email is a list": a(email=[ALICE]),
    "email is not verified": a(email_verified=False),
    "nothing about verified": a(email_verified=None),
    "verified by a number": a(email_verified=1),
    "email with a second one": a(email=f"{ALICE}, bob@orchard.test"),
    "email with a line": a(email=f"{ALICE}\r\nbob@orchard.test"),
    "email without a domain": a(email="alice"),
    "a JWT in a JWT": nested,
    "a name twice": lambda w: raw({"alg": "RS256", "kid": "rsa"}, b'{"iss":"x","iss":"y"}', b"x"),
    "deep": lambda w: raw({"alg": "RS256", "kid": "rsa"}, b"[" * 5000, b"x"),
    "not an object": lambda w: sign({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}, [1], RSA),
    "not base64": lambda w: "%%%.%%%.%%%",
    "five parts": lambda w: w.token() + ".x.y",
    "empty": lambda w: "",
    "dots": lambda w: "..",
    "too long": lambda w: w.token(pad="x" * MAX_TOKEN),
    "not ASCII": lambda w: w.token() + "é",
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_refused(tmp_path: Path, make: Callable[[World], str]) -> None:
    assert refused(tmp_path, make).reason == "invalid_token"


@pytest.mark.parametrize(
    "scope",
    [None, "", "openid", "mailbox", "MAIL", "e-mail", f"x{SCOPE}", ["openid"], {SCOPE: 1}, 7],
    ids=str,
)
def test_scope_is_needed_beside_the_audience(tmp_path: Path, scope: Any) -> None:
    assert refused(tmp_path, a(scope=scope)).reason == "insufficient_scope"


def test_all_scopes_are_needed(tmp_path: Path) -> None:
    both = {"scope": ("read", "write")}
    assert verified(tmp_path / "1", a(scope="write read"), **both) == ALICE
    assert refused(tmp_path / "2", a(scope="read"), **both).reason == "insufficient_scope"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in "12":
        (tmp_path / name).mkdir()


def test_only_typed_tokens_where_that_is_demanded(tmp_path: Path) -> None:
    assert verified(tmp_path / "1", a(), typed=True) == ALICE
    refused(tmp_path / "2", headed(typ="JWT"), typed=True)


def test_only_tokens_of_these_clients_where_some_are_named(tmp_path: Path) -> None:
    assert verified(tmp_path / "1", a(azp="thunderbird", client_id="x"), clients=("thunderbird",)) == ALICE
    refused(tmp_path / "2", a(azp="evil", client_id="thunderbird"), clients=("thunderbird",))


@pytest.mark.parametrize("changes", [{}, {"client_id": "evil"}, {"azp": ["thunderbird"]}], ids=str)
def test_who_names_no_client_of_ours_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    refused(tmp_path, a(**changes), clients=("thunderbird",))


def test_another_claim_names_the_person(tmp_path: Path) -> None:
    wanted = {"claim": "preferred_username", "domains": ("orchard.test",)}
    assert verified(tmp_path / "1", a(preferred_username="bob", email=None), **wanted) == "bob@orchard.test"
    refused(tmp_path / "2", a(preferred_username="bob@harbor.test"), **wanted)


def test_only_people_of_the_providers_domains(tmp_path: Path) -> None:
    refused(tmp_path, a(), domains=("harbor.test",))


def test_shared_accounts_have_nobody_who_logs_in(tmp_path: Path) -> None:
    async def run() -> None:
        async with world_in(tmp_path) as world:
            await world.store.transact(
                lambda tx: tx.add_account("sales@orchard.test", AccountKind.SHARED, "")
            )
            with pytest.raises(TokenRefused):
                await world.verifier.verify(world.token(email="sales@orchard.test"))

    asyncio.run(run())


def test_keys_that_cannot_be_trusted_are_passed_over(tmp_path: Path) -> None:
    """Symmetric ones, ones for encryption, short ones, of other algorithms, and nonsense."""

    async def run() -> None:
        for jwks in (
            {"keys": [{"kty": "oct", "k": "AAAA", "kid": "rsa"}]},
            public(RSA, use="enc"),
            public(RSA, alg="RS512"),
            public(RSA, key_ops=["encrypt"]),
            {"keys": [None, 7, "x", {}, {"kty": "RSA"}, {"kty": "RSA", "n": "!", "e": 3, "kid": "rsa"}]},
            {"keys": [{**public(RSA)["keys"][0], "n": "AQAB"}]},
            {"keys": []},
        ):
            async with world_in(tmp_path) as world:
                world.fake.answers["/jwks"] = jwks
                with pytest.raises(TokenRefused):
                    await world.verifier.verify(world.token())
            (tmp_path / "a.db").unlink()

    asyncio.run(run())


def test_without_a_name_there_must_be_just_one_key(tmp_path: Path) -> None:
    async def run() -> None:
        async with world_in(tmp_path) as world:
            world.fake.answers["/jwks"] = public(OTHER, RSA)
            with pytest.raises(TokenRefused):
                await world.verifier.verify(world.token({"kid": None}))
            world.fake.answers["/jwks"] = public(RSA)
            world.clock.seconds += 61
            assert (await world.verifier.verify(world.token({"kid": None}))).account == ALICE

    asyncio.run(run())
