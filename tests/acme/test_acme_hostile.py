"""An authority that answers junk, too much, nothing, or a certificate that is not ours: one line each, and
the certificate that there was stays."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from postier.acme import client as client_module
from postier.acme.client import LIMIT, AcmeClient, in_thread, require_directory_url
from postier.acme.keys import check_chain, make_key
from postier.acme.problems import AcmeProblem, one_line
from postier.net.authority import issue_certificate, make_ca
from postier.testing.acme_scene import HOST, Scene
from postier.testing.acme_server import Answer, FakeAuthority, problem

MEMBERS = """type detail title status subproblems identifier identifiers value authorizations finalize
certificate error challenges url token wildcard expires validated meta newNonce newAccount newOrder
renewalInfo caaIdentities profiles termsOfService suggestedWindow start end explanationURL""".split()  # noqa: SIM905
WORDS = (
    "",
    "x",
    "\x00",
    "dns",
    "ip",
    "http-01",
    "pending",
    "valid",
    "2026-01-01T00:00:00Z",
    "https://ca.test/",
)
ACCOUNT_KEY = make_key("ecdsa-p256")
OnScene = Callable[[Callable[[Scene], Awaitable[None]]], None]
KINDS = ("directory", "account", "new-order", "order", "authz", "challenge", "finalize", "certificate")
JUNK = {
    "nothing": Answer(b""),
    "no JSON": Answer(b"<html>\x00\xff"),
    "a list": Answer(b"[]", headers={"Content-Type": "application/json"}),
    "a number": Answer(b"5", headers={"Content-Type": "application/json"}),
    "null": Answer(b"null", headers={"Content-Type": "application/json"}),
    "an empty object": Answer(b"{}", headers={"Content-Type": "application/json"}),
    "wrong types": Answer(b'{"status": 5, "identifiers": 7, "authorizations": {}, "challenges": "x"}'),
    "deep": Answer(b"[" * 200_000, headers={"Content-Type": "application/json"}),
    "too much": Answer(b"x" * (LIMIT + 1)),
    "a redirect": Answer(b"", 302, {"Location": "https://elsewhere.test/"}),
    "a fault": Answer(b"oops", 500),
    "an odd problem": Answer(b'{"type": 5, "detail": ["x"]}', 400),
    "a long problem": problem("malformed", "x\n\x1b[31m" + "y" * 100_000),
    "another account's": problem("unauthorized"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_it_answers_it_costs_one_line(on_scene: OnScene, kind: str) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        before = await scene.certificate()
        for name, answer in JUNK.items():
            account = await scene.store.reader.acme_account(scene.plan.directory)
            assert account is not None
            if kind == "account":
                account = replace(account, uri="")
            await scene.store.transact(lambda tx, one=account: tx.set_acme_account(one))  # type: ignore[misc]
            renewal = replace(await scene.renewal(), tries=(), told_until=0, order="", key="")
            await scene.store.transact(lambda tx, one=renewal: tx.set_renewal(one))  # type: ignore[misc]
            scene.authority.spoil[kind] = lambda _, one=answer: one  # type: ignore[misc]
            outcome = await scene.one(now=True)
            assert outcome.text.isprintable()
            assert len(outcome.text) < 700
            if kind == "challenge" and outcome.state == "renewed":
                before = await scene.certificate()  # what it answers to that hardly matters
                continue
            assert outcome.state == "failed", (name, outcome)
            assert await scene.certificate() == before
        scene.authority.spoil.clear()
        await scene.store.transact(lambda tx: tx.set_renewal(renewal))
        assert (await scene.one(now=True)).state == "renewed"

    on_scene(test)


@pytest.mark.parametrize("nonce", ["", "not base64url!", "x" * 5])
def test_a_nonce_that_is_none(on_scene: OnScene, nonce: str) -> None:
    async def test(scene: Scene) -> None:
        for kind in ("nonce", "new-order"):
            scene.authority.spoil[kind] = lambda made: replace(made, headers={"Replay-Nonce": nonce})
        assert (await scene.one()).state == "failed"

    on_scene(test)


def test_nonces_that_are_refused_are_asked_for_anew_a_few_times(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.spoil["new-order"] = lambda _: problem("badNonce")
        assert (await scene.one()).state == "failed"
        assert scene.authority.asked.count("new-order") <= 6
        left = iter([True, True])
        scene.authority.spoil["new-order"] = lambda made: problem("badNonce") if next(left, 0) else made
        assert (await scene.one(now=True)).state == "renewed"

    on_scene(test)


def test_it_cannot_send_us_elsewhere(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        def elsewhere(made: Answer) -> Answer:
            body = json.loads(made.body)
            body["authorizations"] = ["http://inside.test/admin", "file:///etc/passwd"]
            return replace(made, body=json.dumps(body).encode())

        scene.authority.spoil["new-order"] = scene.authority.spoil["order"] = elsewhere
        text = (await scene.one()).text
        assert text == "the authority sends us to http://inside.test/admin: it must begin with https://"

    on_scene(test)


def test_it_cannot_ask_about_other_names(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        scene.authority.spoil["authz"] = lambda made: replace(made, body=made.body.replace(b"mail", b"bank"))
        assert "was not asked for" in (await scene.one()).text
        scene.authority.spoil.clear()
        scene.authority.spoil["order"] = lambda made: replace(made, body=made.body.replace(b"mail", b"bank"))
        assert "for other names" in (await scene.one(now=True)).text
        assert await scene.store.reader.acme_challenges("http-01") == []

    on_scene(test)


def test_an_order_that_never_ends_is_left_and_taken_up_later(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        def slow(made: Answer) -> Answer:
            scene.clock.seconds += 10
            return replace(made, body=made.body.replace(b'"ready"', b'"processing"'))

        scene.authority.spoil["order"] = slow
        outcome = await scene.one()
        assert outcome.text == "the authority does not come to an end; the order is taken up later"
        assert (await scene.renewal()).order
        scene.authority.spoil.clear()
        assert (await scene.one(now=True)).state == "renewed"
        assert len(scene.authority.orders) == 1

    on_scene(test)


def test_an_order_that_stays_ready_does_not_spin(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        def never(made: Answer) -> Answer:
            scene.clock.seconds += 5
            return replace(made, body=made.body.replace(b'"valid"', b'"ready"'))

        scene.authority.spoil["order"] = scene.authority.spoil["finalize"] = never
        assert (await scene.one()).state == "failed"
        assert scene.authority.asked.count("finalize") < 20

    on_scene(test)


def chain(names: list[str], key: str = "", *, now: dt.datetime | None = None) -> tuple[str, str]:
    pair = issue_certificate(CA, names, now=now)
    return pair.certificate.decode() + CA.certificate.decode(), key or pair.key.decode()


CA = make_ca("An authority")
NOW = time.time()


def refused(chain: str, key: str, names: tuple[str, ...] = (HOST,)) -> str:
    with pytest.raises(AcmeProblem) as caught:
        check_chain(chain, key, names, NOW)
    return str(caught.value)


def test_a_good_chain_is_taken_and_cleaned() -> None:
    good, key = chain([HOST, "b.test"])
    cleaned, issued = check_chain(f"junk before\n{good}junk behind\n", key, [HOST], NOW)
    assert cleaned == good
    assert issued.names == (HOST, "b.test")
    load_pem_private_key(key.encode(), None)


def test_a_bad_chain_is_refused() -> None:
    good, key = chain([HOST])
    assert "not for our key" in refused(good, make_key("ecdsa-p256"))
    assert f"not for {HOST}" in refused(*chain(["b.test"]))
    old = dt.datetime.now(dt.UTC) - dt.timedelta(days=900)
    assert "not valid after" in refused(*chain([HOST], now=old))
    coming = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    assert "not valid before" in refused(*chain([HOST], now=coming))
    stranger = make_ca("An authority").certificate.decode()
    leaf = good.partition("-----END CERTIFICATE-----\n")
    assert "does not hold together" in refused(leaf[0] + leaf[1] + stranger, key)
    assert "no certificate" in refused("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", key)
    assert "no certificate" in refused("", key)
    assert "too long" in refused("x" * 200_000, key)
    assert "certificates" in refused(good + CA.certificate.decode() * 20, key)


def test_a_certificate_for_other_names_changes_nothing(on_scene: OnScene) -> None:
    async def test(scene: Scene) -> None:
        await scene.one()
        before = await scene.certificate()
        scene.authority.spoil["certificate"] = lambda made: replace(made, body=chain([HOST])[0].encode())
        outcome = await scene.one(now=True)
        assert outcome.text == "the authority's certificate is not for our key"
        assert await scene.certificate() == before
        assert (await scene.renewal()).order == ""

    on_scene(test)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://ca.test/",
        "http://ca.test/directory",
        "https://",
        "https://user:pass@ca.test/",
        "https://ca.test:port/",
        "https://ca.test/\n",
        "//ca.test/",
        "https://[::1",
    ],
)
def test_a_directory_must_be_https(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        require_directory_url(url)


@pytest.mark.parametrize("url", ["https://ca.test/d", "http://127.0.0.1:14000/d", "http://localhost/d"])
def test_a_directory_of_this_machine_may_be_in_clear(url: str) -> None:
    require_directory_url(url)


@pytest.fixture
def drips() -> str:
    """A server that sends an octet now and then, for ever."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            peer.recv(4096)
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(200):
                try:
                    peer.sendall(b"4001\r\n" + b" " * 0x4001 + b"\r\n")
                except OSError:
                    break
                time.sleep(0.02)
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_answers_that_never_end_are_cut_off(drips: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = AcmeClient(drips, make_key("ecdsa-p256"))
    monkeypatch.setattr(client_module, "CALL_SECONDS", 0.1)
    with pytest.raises(AcmeProblem, match="in time"):
        client.directory()
    monkeypatch.setattr(client_module, "CALL_SECONDS", 60)
    with pytest.raises(AcmeProblem, match="more than"):
        client.directory()
    client.close()


def test_a_thread_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.05)
    release = threading.Event()
    with pytest.raises(AcmeProblem, match="in time"):
        asyncio.run(in_thread(lambda: release.wait(30)))
    release.set()


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    client = AcmeClient(f"http://127.0.0.1:{port}/directory", make_key("ecdsa-p256"))
    with pytest.raises(AcmeProblem, match="cannot be reached: connection refused"):
        client.directory()
    client.close()


def test_a_page_that_is_no_directory_is_told(authority: FakeAuthority) -> None:
    client = AcmeClient(f"{authority.base}/nonce", make_key("ecdsa-p256"))
    with pytest.raises(AcmeProblem):
        client.directory()
    client.close()


def test_what_strangers_say_is_one_line() -> None:
    assert one_line("a\r\n\tb\x00\x1b[31m\u202e c") == "a b [31m c"
    assert len(one_line("x" * 10_000)) <= 303


VALUES = st.recursive(
    st.sampled_from((None, True, False, 0, -1, 10**30, 1.5, *WORDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=8), st.sampled_from([200, 201, 400, 403, 429])
)
def test_whatever_its_json_says_it_makes_sense_or_is_told(body: dict[str, Any], status: int) -> None:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps(body).encode()
    response.headers["Location"] = "https://ca.test/1"
    response.headers["Replay-Nonce"] = "bm9uY2U"
    client = AcmeClient("https://ca.test/", ACCOUNT_KEY)
    client._net._send_request = lambda *_, **__: response  # type: ignore[assignment,method-assign]
    for ask in (
        client.directory,
        lambda: client.register((), terms_agreed=True),
        lambda: client.new_order([HOST]),
        lambda: client.order("https://ca.test/o"),
        lambda: client.authorization("https://ca.test/a"),
        lambda: client.renewal_window("a.b"),
    ):
        client._directory = {"newNonce": "n", "newAccount": "a", "newOrder": "o", "renewalInfo": "r"}
        if ask == client.directory:
            client._directory = {}
        with contextlib.suppress(AcmeProblem):
            ask()
    client.close()
