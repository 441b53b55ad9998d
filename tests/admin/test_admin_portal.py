"""Logging in by the web and what a person does there, as a browser does it."""

from __future__ import annotations

import asyncio
import json
from base64 import b32decode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from starlette.applications import Starlette

from postier.accounts.login import AppPasswordDemanded, Door, Login
from postier.accounts.login_journal import LoginJournal
from postier.accounts.passkeys import RelyingParty
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.accounts.sealing import KEY_OCTETS, Sealer
from postier.accounts.second_factors import SecondFactors
from postier.accounts.web_sessions import (
    MOST_SESSIONS,
    RECENT_SECONDS,
    WAITING_SECONDS,
    SessionRules,
    WebSessions,
)
from postier.admin.api_person import PersonRoutes
from postier.admin.api_session import SessionRoutes
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.http.api import api_application
from postier.http.web_gate import COOKIE, web_gates
from postier.sasl.api import Channel, Credentials
from postier.store.api import Account, AccountKind, DeviceNote, KeepDevices, Store, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.authenticator import Authenticator
from postier.testing.store_helpers import SettableClock

HOST = "mail.a.example"
ORIGIN = f"https://{HOST}"
WHO, PASSWORD = "anna@a.example", "a right long password"
SESSION, ME = "/api/v1/session", "/api/v1/me"
RULES = SessionRules(idle=1800, lifetime=40_000)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    json: Any


class Browser:
    """Keeps the cookie, and says whose page it is on."""

    def __init__(self, application: Starlette, peer: str = "192.0.2.7") -> None:
        self.application, self.peer = application, peer
        self.cookie = ""

    async def ask(
        self,
        method: str,
        path: str,
        said: object = None,
        *,
        scheme: str = "https",
        body: bytes | None = None,
        **fields: str | None,
    ) -> Answer:
        headers: dict[str, str | None] = {"host": HOST, "origin": ORIGIN, "user-agent": "Test"}
        if self.cookie:
            headers["cookie"] = f"other=1; {COOKIE}={self.cookie}"
        sent = body if body is not None else b"" if said is None else json.dumps(said).encode()
        started: dict[str, Any] = {}
        out = b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal out
            started.update(message)
            out += message.get("body", b"")

        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(k.encode(), v.encode()) for k, v in {**headers, **fields}.items() if v is not None],
            "client": (self.peer, 1),
            "server": ("192.0.2.1", 443),
        }
        await self.application(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in started["headers"]}
        assert found["cache-control"] == "no-store"
        self._keep(found.get("set-cookie", ""))
        return Answer(started["status"], found, json.loads(out))

    def _keep(self, field: str) -> None:
        if field:
            pair, *attributes = field.split("; ")
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
            assert not any(each.startswith("Domain") for each in attributes)
            self.cookie = pair.partition("=")[2]

    async def log_in(self, password: str = PASSWORD) -> Answer:
        return await self.ask("POST", SESSION, {"address": WHO, "password": password})


class Portal:
    def __init__(self, store: Store, clock: SettableClock, verifier: PasswordVerifier) -> None:
        self.store, self.clock = store, clock
        self.journal = LoginJournal(store, clock)
        self.login = Login(store, clock, verifier, journal=self.journal)
        factors = SecondFactors(store, clock, Sealer(bytes(KEY_OCTETS)), RelyingParty(HOST, ORIGIN, "A"))
        self.sessions = WebSessions(store, clock, self.login, factors, RULES)
        person = PersonRoutes(store, clock, self.sessions, factors)
        routes = [*SessionRoutes(self.sessions, factors).table(), *person.table()]
        self.application = api_application(routes, self.login, gates=web_gates(self.sessions))

    def browser(self, peer: str = "192.0.2.7") -> Browser:
        return Browser(self.application, peer)

    async def account(self) -> Account:
        found = await self.store.reader.account_named(WHO)
        assert found is not None
        return found

    def code(self, key: str) -> str:
        octets = b32decode(key + "=" * (-len(key) % 8))
        return TOTP(octets, 6, SHA1(), 30).generate(int(self.clock.now())).decode()

    async def enrol(self, browser: Browser) -> tuple[str, list[str]]:
        """Logs in and turns a TOTP on: its key, and the recovery codes."""
        assert (await browser.log_in()).status == 200
        begun = (await browser.ask("POST", f"{ME}/second-factors/totp", {"name": "phone"})).json
        path = f"{ME}/second-factors/totp/{begun['number']}"
        answer = await browser.ask("POST", path, {"code": self.code(begun["key"]), "no_devices": True})
        assert answer.status == 200, answer
        self.clock.seconds += 30
        return begun["key"], answer.json["recovery_codes"]


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postier.accounts.backoff.failure_delay", lambda failures: 0.0)
    monkeypatch.setattr("postier.accounts.backoff.REPEATED_DELAY", 0.0)


def on_portal(tmp_path: Path, work: Callable[[Portal], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = SettableClock()
        blobs, bus = LocalBlobs(tmp_path, "t"), MemoryBus()
        store = await open_sqlite(tmp_path / "p.db", blobs=blobs, bus=bus, clock=clock, owner="t")
        verifier = PasswordVerifier(ProofTable(), threads=1)
        try:
            hashed = hash_password(PASSWORD)
            await store.transact(lambda tx: tx.add_account(WHO, AccountKind.PERSON, hashed))
            await work(Portal(store, clock, verifier))
        finally:
            verifier.close()
            await store.close()

    asyncio.run(whole())


def test_somebody_logs_in_looks_and_goes(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        assert (await browser.ask("GET", ME)).status == 401
        answer = await browser.log_in()
        assert (answer.status, answer.json) == (200, {"state": "in", "address": WHO})
        assert len(browser.cookie) >= 43
        me = (await browser.ask("GET", ME)).json
        assert (me["address"], me["second_factor"], me["administrator"]) == (WHO, False, False)
        for path in ("audit", "devices", "app-passwords", "second-factors", "sessions"):
            assert (await browser.ask("GET", f"{ME}/{path}")).status == 200
        old = browser.cookie
        assert (await browser.ask("DELETE", SESSION)).json == {"state": "out"}
        assert browser.cookie == ""
        browser.cookie = old
        assert (await browser.ask("GET", ME)).status == 401

    on_portal(tmp_path, work)


def test_what_is_in_the_store_opens_nothing(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        await browser.log_in()
        token = browser.cookie.encode()
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or token not in file.read_bytes()

    on_portal(tmp_path, work)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"address": WHO, "password": "wrong"}, 401),
        ({"address": "eve@a.example", "password": PASSWORD}, 401),
        ({"address": WHO, "password": ""}, 401),
        ({"address": WHO}, 401),
        ({"address": WHO, "password": PASSWORD, "more": 1}, 400),
        ({"address": 1, "password": PASSWORD}, 400),
        ([], 400),
        (None, 400),
    ],
)
def test_who_is_not_let_in(tmp_path: Path, said: object, status: int) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        answer = await browser.ask("POST", SESSION, said)
        assert answer.status == status
        assert "set-cookie" not in answer.headers

    on_portal(tmp_path, work)


def test_only_our_own_page_by_https_may_ask(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        said = {"address": WHO, "password": PASSWORD}
        wrong: list[dict[str, Any]] = [
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": None},
            {"origin": f"http://{HOST}"},
            {"origin": f"{ORIGIN}:8443"},
            {"scheme": "http"},
        ]
        for changed in wrong:
            assert (await browser.ask("POST", SESSION, said, **changed)).status == 403
        await browser.log_in()
        for changed in wrong:
            assert (await browser.ask("DELETE", SESSION, **changed)).status == 403
        assert (await browser.ask("GET", ME, origin=None)).status == 200
        assert (await browser.ask("GET", ME, origin="https://evil.example")).status == 403

    on_portal(tmp_path, work)


def test_bodies_that_cannot_be(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        for body in (b"", b"{", b"\xff", b"[" * 4000, b'{"address":"a","address":"b"}', b'{"password":NaN}'):
            assert (await browser.ask("POST", SESSION, body=body)).status in (400, 401)
        assert (await browser.ask("POST", SESSION, body=b" " * 4097)).status == 413
        await browser.log_in()
        half = [
            {"name": "\ud800"},
            {"name": "x", "protocols": ["\udfff"]},
            {"name": "x", "networks": ["\ud800"]},
        ]
        for said in half:
            assert (await browser.ask("POST", f"{ME}/app-passwords", said)).status == 400
        for said in ({"address": "\ud800", "password": "x"}, {"address": WHO, "password": "\udc00"}):
            assert (await browser.ask("POST", SESSION, said)).status == 400

    on_portal(tmp_path, work)


def test_with_a_second_factor_the_password_opens_nothing(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        key, _ = await portal.enrol(portal.browser())
        browser = portal.browser()
        answer = await browser.log_in()
        assert answer.json == {"state": "second factor", "factors": ["recovery code", "totp"]}
        for method, path in (("GET", ME), ("GET", f"{ME}/second-factors"), ("POST", f"{ME}/recovery-codes")):
            assert (await browser.ask(method, path)).status == 401
        before = browser.cookie
        prove = f"{SESSION}/second-factor"
        for said in ({}, {"code": "1", "recovery_code": "2"}, {"code": 1}):
            assert (await browser.ask("POST", prove, said)).status == 400
        answer = await browser.ask("POST", prove, {"code": portal.code(key)})
        assert (answer.status, answer.json["state"]) == (200, "in")
        assert browser.cookie != before
        assert (await browser.ask("GET", ME)).json["second_factor"] is True
        assert (await browser.ask("POST", prove, {"code": portal.code(key)})).status == 409
        await portal.journal.write()
        told = (await browser.ask("GET", f"{ME}/audit?lang=fr")).json["entries"]
        said = [one["facts"] for one in told if one["kind"].startswith("login")]
        assert {"second factor", "password"} <= {facts.get("mechanism") for facts in said}
        browser.cookie = before
        assert (await browser.ask("GET", ME)).status == 401

    on_portal(tmp_path, work)


def test_a_passkey_and_a_recovery_code_open_it_too(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser, key = portal.browser(), Authenticator(ORIGIN)
        await browser.log_in()
        passkey = f"{ME}/second-factors/passkey"
        assert (await browser.ask("POST", passkey, {"name": "key", "passkey": {"a": 1}})).status == 409
        options = (await browser.ask("POST", f"{passkey}/options")).json
        said = {"name": "key", "passkey": key.make(options), "no_devices": True}
        codes = (await browser.ask("POST", passkey, said)).json["recovery_codes"]
        assert len(codes) == 10
        assert (await browser.ask("POST", passkey, said)).status == 409  # the challenge is good once

        other = portal.browser()
        assert (await other.log_in()).json["factors"] == ["passkey", "recovery code"]
        asked = (await other.ask("POST", f"{SESSION}/passkey")).json
        signed = key.sign(asked)
        wrong = key.sign({**asked, "challenge": "AAAA"})
        assert (await other.ask("POST", f"{SESSION}/second-factor", {"passkey": wrong})).status == 401
        assert (await other.ask("POST", f"{SESSION}/second-factor", {"passkey": signed})).status == 401
        asked = (await other.ask("POST", f"{SESSION}/passkey")).json
        answer = await other.ask("POST", f"{SESSION}/second-factor", {"passkey": key.sign(asked)})
        assert answer.json["state"] == "in"

        third = portal.browser()
        await third.log_in()
        answer = await third.ask("POST", f"{SESSION}/second-factor", {"recovery_code": codes[3]})
        assert answer.json["state"] == "in"
        assert (await third.ask("GET", ME)).json["recovery_codes"] == 9

    on_portal(tmp_path, work)


def test_guessing_codes_ends_the_session_and_then_codes(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        key, codes = await portal.enrol(portal.browser())
        prove = f"{SESSION}/second-factor"
        for number in range(2):
            browser = portal.browser(f"198.51.100.{number}")
            await browser.log_in()
            for _ in range(5):
                assert (await browser.ask("POST", prove, {"code": "000000"})).status == 401
            assert (await browser.ask("POST", prove, {"code": portal.code(key)})).status == 401
            assert (await browser.ask("GET", SESSION)).status == 401
        browser = portal.browser()
        await browser.log_in()
        answer = await browser.ask("POST", prove, {"code": portal.code(key)})
        assert (answer.status, 0 < int(answer.headers["retry-after"]) <= 61) == (429, True)
        assert (await browser.ask("POST", prove, {"recovery_code": codes[0]})).status == 200
        portal.clock.seconds += 60
        await browser.log_in()
        assert (await browser.ask("POST", prove, {"code": portal.code(key)})).status == 200

    on_portal(tmp_path, work)


def test_who_guesses_many_codes_at_once_is_not_ahead_of_the_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(portal: Portal) -> None:
        await portal.enrol(portal.browser())
        looked_at = []
        monkeypatch.setattr(
            "postier.accounts.second_factors.matching_step", lambda *_: looked_at.append(1) and None
        )
        browsers = [portal.browser(f"198.51.100.{number}") for number in range(4)]
        for browser in browsers:
            await browser.log_in()
        said = {"code": "000000"}
        tries = [browser.ask("POST", f"{SESSION}/second-factor", said) for browser in browsers * 10]
        answers = await asyncio.gather(*tries)
        assert len(looked_at) <= 10
        assert {answer.status for answer in answers} <= {401, 429}

    on_portal(tmp_path, work)


def test_a_slow_request_does_not_bring_an_old_cookie_back(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        key, _ = await portal.enrol(portal.browser())
        browser = portal.browser()
        await browser.log_in()
        stale = await portal.sessions.find(browser.cookie)
        assert (
            await browser.ask("POST", f"{SESSION}/second-factor", {"code": portal.code(key)})
        ).status == 200
        await portal.sessions.remember_challenge(stale, b"late")
        assert await portal.sessions.take_challenge(stale) == b""
        assert (await browser.ask("GET", ME)).status == 200

    on_portal(tmp_path, work)


def test_a_session_has_its_time(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        await browser.log_in()
        for _ in range(4):
            portal.clock.seconds += RULES.idle
            assert (await browser.ask("GET", ME)).status == 200
        portal.clock.seconds += RULES.idle + 1
        assert (await browser.ask("GET", ME)).status == 401
        await browser.log_in()
        begun = portal.clock.seconds
        while portal.clock.seconds - begun <= RULES.lifetime:
            assert (await browser.ask("GET", ME)).status == 200
            portal.clock.seconds += 1700
        assert (await browser.ask("GET", ME)).status == 401

        key, _ = await portal.enrol(portal.browser())
        await browser.log_in()
        portal.clock.seconds += WAITING_SECONDS + 1
        answer = await browser.ask("POST", f"{SESSION}/second-factor", {"code": portal.code(key)})
        assert answer.status == 401

    on_portal(tmp_path, work)


def test_what_ends_a_session(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        account = await portal.account()

        async def disable(tx: Tx) -> None:
            await tx.set_account_enabled(account.account_id, False)

        async def enable(tx: Tx) -> None:
            await tx.set_account_enabled(account.account_id, True)

        async def change(tx: Tx) -> None:
            await tx.set_password_hash(account.account_id, hash_password("another long password"))

        browser = portal.browser()
        await browser.log_in()
        await portal.store.transact(disable)
        assert (await browser.ask("GET", ME)).status == 401
        await portal.store.transact(enable)
        assert (await browser.ask("GET", ME)).status == 401
        await browser.log_in()
        await portal.store.transact(change)
        assert (await browser.ask("GET", ME)).status == 401
        assert (await browser.log_in("another long password")).status == 200
        await portal.store.transact(lambda tx: tx.remove_account(account.account_id))
        assert (await browser.ask("GET", ME)).status == 401

    on_portal(tmp_path, work)


def test_turning_it_on_logs_everybody_else_out(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        other, mine = portal.browser("198.51.100.9"), portal.browser()
        await other.log_in()
        await portal.enrol(mine)
        assert (await other.ask("GET", ME)).status == 401
        assert (await mine.ask("GET", ME)).status == 200
        listed = (await mine.ask("GET", f"{ME}/sessions")).json
        assert [(one["here"], one["peer"], one["program"]) for one in listed] == [(True, "192.0.2.7", "Test")]

    on_portal(tmp_path, work)


def test_who_knows_the_password_alone_ends_nobodys_session(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        mine = portal.browser()
        await portal.enrol(mine)
        for _ in range(MOST_SESSIONS + 2):
            await portal.browser("198.51.100.9").log_in()
        assert (await mine.ask("GET", ME)).status == 200

    on_portal(tmp_path, work)


def test_sessions_are_listed_ended_and_bounded(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browsers = [portal.browser() for _ in range(MOST_SESSIONS + 2)]
        for browser in browsers:
            await browser.log_in()
        assert (await browsers[1].ask("GET", ME)).status == 401
        assert (await browsers[2].ask("GET", ME)).status == 200
        assert len((await browsers[-1].ask("GET", f"{ME}/sessions")).json) == MOST_SESSIONS
        await browsers[-1].ask("DELETE", f"{ME}/sessions")
        assert (await browsers[2].ask("GET", ME)).status == 401
        assert (await browsers[-1].ask("GET", ME)).status == 200
        portal.clock.seconds += RULES.idle + 1
        assert await portal.sessions.forget_old() == 1

    on_portal(tmp_path, work)


def test_what_changes_how_one_gets_in_wants_a_fresh_login(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        await browser.log_in()
        portal.clock.seconds += RECENT_SECONDS
        for method, path, said in (
            ("POST", "app-passwords", {"name": "x"}),
            ("POST", "second-factors/totp", {"name": "x"}),
            ("POST", "second-factors/totp/1", {"code": "000000"}),
            ("POST", "second-factors/passkey/options", None),
            ("POST", "second-factors/passkey", {"name": "x"}),
            ("DELETE", "second-factors/1", None),
            ("POST", "recovery-codes", None),
        ):
            answer = await browser.ask(method, f"{ME}/{path}", said)
            assert (answer.status, "log in again" in answer.json["detail"]) == (403, True), path
        assert (await browser.ask("GET", ME)).status == 200

    on_portal(tmp_path, work)


async def mail_login(portal: Portal, password: str) -> object:
    door = Door("imap", "192.0.2.50", "s", "TLSv1.3", Channel(confidential=True))
    return await portal.login.authenticate(Credentials("", WHO, password), door)


def test_from_then_on_mail_programs_need_an_app_password(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        account, now = await portal.account(), int(portal.clock.now())
        noted = DeviceNote(
            account.account_id, "id", 0, 1, "Thunderbird", "", "", "", "", "192.0.2.50", now, now
        )  # fmt: skip
        await portal.store.transact(lambda tx: tx.note_devices([noted], now, KeepDevices(9, 9, 0)))
        await mail_login(portal, PASSWORD)
        browser = portal.browser()
        await browser.log_in()
        begun = (await browser.ask("POST", f"{ME}/second-factors/totp", {"name": "phone"})).json
        confirm = f"{ME}/second-factors/totp/{begun['number']}"
        answer = await browser.ask("POST", confirm, {"code": portal.code(begun["key"])})
        assert (answer.status, "Thunderbird" in answer.json["detail"]) == (409, True)
        made = (await browser.ask("POST", f"{ME}/app-passwords", {"name": "Thunderbird"})).json
        answer = await browser.ask("POST", confirm, {"code": portal.code(begun["key"])})
        assert (answer.status, len(answer.json["recovery_codes"])) == (200, 10)
        with pytest.raises(AppPasswordDemanded):
            await mail_login(portal, PASSWORD)
        await mail_login(portal, made["password"])
        assert (await portal.browser().log_in(made["password"])).status == 401, "not for the portal"
        listed = (await browser.ask("GET", f"{ME}/app-passwords")).json
        assert [one["name"] for one in listed] == ["Thunderbird"]
        assert made["password"] not in json.dumps(listed)
        number = made["number"]
        assert (await browser.ask("DELETE", f"{ME}/app-passwords/{number}")).json == {
            "revoked": "Thunderbird"
        }
        assert (await browser.ask("DELETE", f"{ME}/app-passwords/{number}")).status == 404
        (factor,) = (await browser.ask("GET", f"{ME}/second-factors")).json["factors"]
        await browser.ask("DELETE", f"{ME}/second-factors/{factor['number']}")
        assert not (await portal.account()).second_factor
        await mail_login(portal, PASSWORD)
        told = [one["kind"] for one in (await browser.ask("GET", f"{ME}/audit")).json["entries"]]
        assert {"factor.added", "factor.removed", "password.app_added", "password.app_revoked"} <= set(told)

    on_portal(tmp_path, work)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"name": ""},
        {"name": "x" * 200},
        {"name": "x", "protocols": ["gopher"]},
        {"name": "x", "protocols": [1]},
        {"name": "x", "protocols": "imap"},
        {"name": "x", "networks": ["nowhere"]},
        {"name": "x", "networks": ["0.0.0.0/0"] * 51},
        {"name": "x", "expires": 1},
        {"name": "x", "expires": 2**60},
        {"name": "x", "expires": True},
    ],
)
def test_app_passwords_that_cannot_be(tmp_path: Path, said: dict[str, Any]) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        await browser.log_in()
        assert (await browser.ask("POST", f"{ME}/app-passwords", said)).status in (400, 409)

    on_portal(tmp_path, work)


def test_nobody_touches_what_is_anothers(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        async def make(tx: Tx) -> int:
            ben = await tx.add_account("ben@a.example", AccountKind.PERSON, "x")
            await tx.add_second_factor(ben, "totp", "his", secret=b"x", confirmed=True)
            return await tx.add_app_password(ben, "his", b"x")

        his = await portal.store.transact(make)
        browser = portal.browser()
        await browser.log_in()
        assert (await browser.ask("DELETE", f"{ME}/app-passwords/{his}")).status == 404
        assert (await browser.ask("DELETE", f"{ME}/second-factors/1")).status == 404
        assert (await browser.ask("POST", f"{ME}/second-factors/totp/1", {"code": "000000"})).status == 409

    on_portal(tmp_path, work)


def test_a_wrong_code_confirms_nothing_and_is_counted(tmp_path: Path) -> None:
    async def work(portal: Portal) -> None:
        browser = portal.browser()
        await browser.log_in()
        begun = (await browser.ask("POST", f"{ME}/second-factors/totp", {"name": "phone"})).json
        confirm = f"{ME}/second-factors/totp/{begun['number']}"
        for _ in range(10):
            assert (await browser.ask("POST", confirm, {"code": "12345"})).status == 400
        assert (await browser.ask("POST", confirm, {"code": portal.code(begun["key"])})).status == 429
        portal.clock.seconds += 61
        said = {"code": portal.code(begun["key"]), "no_devices": True}
        assert (await browser.ask("POST", confirm, said)).status == 200

    on_portal(tmp_path, work)
