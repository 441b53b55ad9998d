"""Keys that change, providers that are away, and tokens that only their provider can read."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from postier.accounts.audit import Wanted, audit_log
from postier.accounts.login_ports import TokenRefused
from postier.oidc.api import Provider
from postier.oidc.source import FRESH, REST, STALE, UNKNOWN_KEY, ProviderUnavailable
from postier.oidc.verifier import KEPT, OidcVerifier
from postier.store.api import StoreUnavailable
from postier.testing.oidc_world import (
    ALICE,
    AUDIENCE,
    OTHER,
    RSA,
    SCOPE,
    FakeProvider,
    World,
    public,
    world_in,
)

CLIENT = {"client_id": "post office", "client_secret": "s:ecret/%"}
CONFIGURATION = "/.well-known/openid-configuration"


def run(folder: Path, test: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        async with world_in(folder, lambda _: settings) as world:
            await test(world)

    asyncio.run(whole())


async def account(world: World, token: str, name: str = "") -> str:
    return (await world.verifier.verify(token, name)).account


def test_keys_are_asked_for_once_and_answers_are_remembered(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        for number in range(20):
            assert await account(world, world.token(jti=str(number))) == ALICE
        assert [path for path, _, _ in world.fake.asked] == [CONFIGURATION, "/jwks"]

    run(tmp_path, test)


def test_many_at_once_ask_once(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        tokens = [world.token(jti=str(number)) for number in range(20)]
        assert set(await asyncio.gather(*(account(world, token) for token in tokens))) == {ALICE}
        assert len(world.fake.asked) == 2

    run(tmp_path, test)


def test_a_new_key_is_asked_for_at_most_once_a_minute(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await account(world, world.token())
        world.fake.answers["/jwks"] = public(OTHER, kid="new")
        new = world.token({"kid": "new"}, OTHER)
        for number in range(50):  # names of keys that an attacker made up
            with pytest.raises(TokenRefused):
                await account(world, world.token({"kid": f"x{number}"}))
        with pytest.raises(TokenRefused):
            await account(world, new)
        assert world.fake.count("/jwks") == 1
        world.clock.seconds += max(UNKNOWN_KEY, KEPT) + 1
        assert await account(world, new) == ALICE
        assert world.fake.count("/jwks") == 2
        with pytest.raises(TokenRefused):  # the old key is gone with it
            await account(world, world.token(jti="old"))

    run(tmp_path, test)


def test_old_keys_are_used_for_a_day_while_the_provider_is_away(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await account(world, world.token())
        world.fake.answers = {CONFIGURATION: 503, "/jwks": 503}
        world.clock.seconds += FRESH + 1
        assert await account(world, world.token()) == ALICE
        world.clock.seconds += STALE - FRESH - 2
        assert await account(world, world.token()) == ALICE
        world.clock.seconds += 2
        with pytest.raises(ProviderUnavailable):
            await account(world, world.token())
        world.fake.describe()
        world.clock.seconds += REST
        assert await account(world, world.token()) == ALICE

    run(tmp_path, test)


def test_old_keys_are_asked_for_anew_behind_the_back_of_who_logs_in(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await account(world, world.token())
        world.fake.answers["/jwks"] = public(RSA, OTHER.__class__.generate_key(2048, {"kid": "more"}))
        world.clock.seconds += FRESH + 1
        assert await account(world, world.token()) == ALICE
        while world.fake.count("/jwks") < 2:
            await asyncio.sleep(0.01)
        assert await account(world, world.token(jti="2")) == ALICE

    run(tmp_path, test)


WRONG = {
    "refuses": 500,
    "sends elsewhere": 302,
    "nonsense": b"<html>",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "another kind": b"[]",
    "too much": b" " * 300_000 + b"{}",
    "not Unicode": b'{"issuer": "\xff"}',
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("path", [CONFIGURATION, "/jwks"])
def test_a_provider_that_talks_nonsense_is_away_and_asked_seldom(
    tmp_path: Path, path: str, answer: Any
) -> None:
    async def test(world: World) -> None:
        world.fake.answers[path] = answer
        for number in range(5):
            with pytest.raises(StoreUnavailable):
                await account(world, world.token(jti=str(number)))
        assert world.fake.count(path) == 1
        world.fake.describe()
        world.clock.seconds += REST
        assert await account(world, world.token()) == ALICE

    run(tmp_path, test)


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"issuer": ["x"]},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://evil.test/jwks"},
        {"jwks_uri": "https://user:word@evil.test/jwks"},
        {"jwks_uri": "https://evil.test/\r\nX: y"},
        {"jwks_uri": 7},
        {"jwks_uri": ""},
        {"introspection_endpoint": "ftp://evil.test"},
    ],
    ids=str,
)
def test_metadata_that_cannot_be_the_providers_is_not_used(tmp_path: Path, said: dict[str, Any]) -> None:
    async def test(world: World) -> None:
        world.fake.describe(**said)
        with pytest.raises(ProviderUnavailable):
            await account(world, world.token())
        assert world.fake.count("/jwks") == 0

    run(tmp_path, test)


def test_the_issuer_is_compared_with_its_final_slash(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(ProviderUnavailable):
            await account(world, world.token(iss=world.fake.issuer + "/"))
        assert world.fake.count(CONFIGURATION) == 1  # asked at the same place, and it says another name

    async def whole() -> None:
        async with world_in(tmp_path, lambda fake: {"issuer": fake.issuer + "/"}) as world:
            await test(world)

    asyncio.run(whole())


def test_metadata_may_stand_where_rfc_8414_has_it(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.fake.answers["/.well-known/oauth-authorization-server"] = world.fake.answers.pop(CONFIGURATION)
        assert await account(world, world.token()) == ALICE

    run(tmp_path, test)


def test_a_provider_that_is_not_there_is_away(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(StoreUnavailable):
            await account(world, world.token(iss="https://nowhere.test"))

    run(tmp_path, test, issuer="https://nowhere.test")


# ---------------------------------------------------------------------- introspection


def answers(world: World, **changes: Any) -> None:
    said = {
        "active": True,
        "client_id": "app",
        "token_type": "Bearer",
        **world.claims(**{"iss": None, **changes}),
    }
    world.fake.answers["/introspect"] = {k: v for k, v in {**said, **changes}.items() if v is not None}


def test_an_opaque_token_is_asked_about_with_our_own_name(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        answers(world)
        for _ in range(5):
            assert await account(world, "opaque-token_1") == ALICE
        ((path, fields, body),) = [one for one in world.fake.asked if one[0] == "/introspect"]
        scheme, _, pair = fields["authorization"].partition(" ")
        assert scheme == "Basic"
        name, _, secret = b64decode(pair).decode().partition(":")
        assert (unquote_plus(name), unquote_plus(secret)) == (CLIENT["client_id"], CLIENT["client_secret"])
        assert parse_qs(body) == {"token": ["opaque-token_1"], "token_type_hint": ["access_token"]}
        assert "opaque-token_1" not in path

    run(tmp_path, test, **CLIENT)


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.fake.describe(introspection_endpoint_auth_methods_supported=["client_secret_post"])
        answers(world)
        assert await account(world, "opaque") == ALICE
        ((_, fields, body),) = [one for one in world.fake.asked if one[0] == "/introspect"]
        assert "authorization" not in fields
        assert parse_qs(body)["client_secret"] == [CLIENT["client_secret"]]

    run(tmp_path, test, **CLIENT)


REFUSED = {
    "not active": {"active": False},
    "active as text": {"active": "true"},
    "active as a number": {"active": 1},
    "nothing about active": {"active": None},
    "another audience": {"aud": "https://other.test"},
    "no audience": {"aud": None},
    "no scope": {"scope": None},
    "another scope": {"scope": "openid"},
    "expired": {"exp": 1},
    "good next year": {"nbf": 2**40},
    "bound to a key": {"cnf": {"jkt": "x"}},
    "DPoP": {"token_type": "DPoP"},
    "another issuer": {"iss": "https://evil.test"},
    "not verified": {"email_verified": False},
    "nobody": {"email": "nobody@orchard.test"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_provider_says_of_a_token_is_judged_like_a_jwt(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    async def test(world: World) -> None:
        answers(world, **changes)
        for _ in range(3):
            with pytest.raises(TokenRefused):
                await account(world, "opaque")
        assert world.fake.count("/introspect") == 1

    run(tmp_path, test, **CLIENT)


def test_a_revoked_token_is_good_for_a_minute_at_most(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        answers(world)
        assert await account(world, "opaque") == ALICE
        world.fake.answers["/introspect"] = {"active": False}
        world.clock.seconds += KEPT - 1
        assert await account(world, "opaque") == ALICE
        world.clock.seconds += 1
        with pytest.raises(TokenRefused):
            await account(world, "opaque")

    run(tmp_path, test, **CLIENT)


def test_a_jwt_is_asked_about_too_where_that_is_wanted(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        answers(world)
        assert await account(world, world.token()) == ALICE
        world.fake.answers["/introspect"] = {"active": False}
        with pytest.raises(TokenRefused):
            await account(world, world.token(jti="2"))
        answers(world)
        with pytest.raises(TokenRefused):  # and is no less judged for it
            await account(world, world.token({"kid": "gone"}))

    run(tmp_path, test, introspect=True, **CLIENT)


def test_an_answer_is_never_remembered_past_the_tokens_end(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        now = world.clock.now()
        token = world.token(exp=int(now) - 50)  # within the skew, for ten seconds more
        assert await account(world, token) == ALICE
        world.clock.seconds += 11
        with pytest.raises(TokenRefused):
            await account(world, token)

    run(tmp_path, test)


@pytest.mark.parametrize("answer", [401, 500, b"nonsense-that-is-no-json", 302])
def test_a_provider_that_cannot_say_is_away_and_the_token_is_not_wrong(tmp_path: Path, answer: Any) -> None:
    async def test(world: World) -> None:
        world.fake.answers["/introspect"] = answer
        for token in ("opaque", "opaque-2"):
            with pytest.raises(ProviderUnavailable):
                await account(world, token)
        assert world.fake.count("/introspect") == 1  # it rests
        answers(world)
        world.clock.seconds += REST
        assert await account(world, "opaque-2") == ALICE

    run(tmp_path, test, **CLIENT)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_token_that_the_provider_cannot_take_stops_nobody_else(tmp_path: Path, status: int) -> None:
    async def test(world: World) -> None:
        world.fake.answers["/introspect"] = status
        with pytest.raises(TokenRefused):
            await account(world, "hostile")
        answers(world)
        assert await account(world, "opaque") == ALICE

    run(tmp_path, test, **CLIENT)


def test_a_token_is_shown_to_nobody_without_our_own_name(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        answers(world)
        with pytest.raises(TokenRefused):
            await account(world, "opaque")
        assert world.fake.asked == []

    run(tmp_path, test)


def test_what_a_token_says_for_nobody_is_found_once_somebody_is_there(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        token = world.token(email="dora@orchard.test", name="Dora D.")
        assert await account(world, token) == "dora@orchard.test"
        (made,) = [one for one in await world.store.reader.accounts() if one.name == "dora@orchard.test"]
        assert (made.display_name, made.password_hash) == ("Dora D.", "")
        assert await account(world, world.token(email="dora@orchard.test", jti="2")) == "dora@orchard.test"
        with pytest.raises(TokenRefused):
            await account(world, world.token(email="dora@harbor.test"))
        (entry,) = await audit_log(world.store.reader, None, Wanted("dora@orchard.test"), 10)
        assert (entry.kind, entry.actor) == ("account.added", ("oidc", world.fake.issuer))

    run(tmp_path, test, create=True, domains=("orchard.test",))


def test_several_at_once_make_one_account(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        tokens = [world.token(email="dora@orchard.test", jti=str(number)) for number in range(10)]
        assert len(set(await asyncio.gather(*(account(world, token) for token in tokens)))) == 1

    run(tmp_path, test, create=True, domains=("orchard.test",))


# ---------------------------------------------------------------------- several providers


def test_each_of_several_providers_speaks_for_its_own_people_only(tmp_path: Path) -> None:
    async def whole() -> None:
        (tmp_path / "1").mkdir()
        (tmp_path / "2").mkdir()
        ours = {"domains": ("orchard.test",), "announced_client": "app", **CLIENT}
        theirs = {"domains": ("harbor.test",), **CLIENT}
        async with (
            world_in(tmp_path / "1", lambda _: ours) as one,
            world_in(tmp_path / "2", lambda _: theirs) as two,
        ):
            both = OidcVerifier([one.source, two.source], one.store, one.clock)
            assert (await both.verify(one.token())).account == ALICE
            with pytest.raises(TokenRefused):  # it is not theirs to say who alice is
                await both.verify(two.token())
            with pytest.raises(TokenRefused):
                await both.verify(one.token(iss=two.fake.issuer))
            answers(one)
            answers(two)
            with pytest.raises(TokenRefused):  # whose is it? nobody is asked
                await both.verify("opaque")
            assert one.fake.count("/introspect") == two.fake.count("/introspect") == 0
            assert (await both.verify("opaque-1", ALICE)).account == ALICE
            assert two.fake.count("/introspect") == 0
            assert both.told("x@harbor.test") == (two.source.discovery, SCOPE)
            assert both.told("x@elsewhere.test") == both.told("") == ("", "")
            advice = await both.advice("orchard.test")
            assert advice is not None
            issuer = one.fake.issuer
            assert advice == (issuer, SCOPE, f"{issuer}/auth", f"{issuer}/token", "app")
            assert await both.advice("harbor.test") is None
            assert await both.advice("elsewhere.test") is None

    asyncio.run(whole())


def test_the_secret_is_not_in_what_is_printed() -> None:
    provider = Provider("https://id.test", (AUDIENCE,), (SCOPE,), "name", "hidden")
    assert "hidden" not in repr(provider)
    assert isinstance(FakeProvider().issuer, str)
