"""An ACME server in the test's own process, which can be made to misbehave; it believes every proof.

    with FakeAuthority() as authority:
        authority.spoil["order"] = lambda answer: replace(answer, body=b"junk")

Signatures are not verified: a server that none of us wrote does that (tests/interop). What counts is kept:
`orders` by number, `asked` as the kinds of requests in order, `payloads` by kind.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from postier.net.authority import make_ca

__all__ = ["Answer", "FakeAuthority", "problem"]


@dataclass(frozen=True)
class Answer:
    """Of the server to one request."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def problem(kind: str, detail: str = "so it is", status: int = 400, **headers: str) -> Answer:
    body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps(body).encode(), status, {"Content-Type": "application/problem+json", **named})


@dataclass
class _Order:
    names: list[str]
    status: str = "pending"
    proved: set[str] = field(default_factory=set)
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)
    chain: str = ""


class FakeAuthority:
    """`refuses`: the problem of each name that is not believed. `life`: of certificates. `window`: for
    RFC 9773, None where it is not offered. `spoil`: what becomes of the answers of each kind."""

    def __init__(self, *, life: dt.timedelta = dt.timedelta(days=90), now: float = 0) -> None:
        self.ca = make_ca("A fake authority")
        self.life = life
        self.now = now
        self.window: tuple[str, str] | None = None
        self.meta: dict[str, Any] = {"caaIdentities": ["ca.test"]}
        self.offers = ("http-01", "dns-01", "tls-alpn-01")
        self.refuses: dict[str, dict[str, Any]] = {}
        self.spoil: dict[str, Callable[[Answer], Answer]] = {}
        self.orders: dict[str, _Order] = {}
        self.accounts: dict[str, str] = {}
        self.asked: list[str] = []
        self.payloads: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.directory = f"{self.base}/directory"

    def __enter__(self) -> FakeAuthority:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def issued(self) -> int:
        return sum(1 for order in self.orders.values() if order.chain)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        kind, _, rest = path.strip("/").partition("/")
        with self._lock:
            self.asked.append(kind)
            protected, payload = _opened(body) if method == "POST" else ({}, None)
            if payload:
                self.payloads[kind] = payload
            made: Answer = getattr(self, f"_{kind.replace('-', '_')}")(rest, protected, payload)
            made = replace(made, headers={"Replay-Nonce": "bm9uY2U", **made.headers})
            spoil = self.spoil.get(kind)
            return made if spoil is None else spoil(made)

    def _directory(self, *_: object) -> Answer:
        names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "new-order"}
        urls: dict[str, Any] = {name: f"{self.base}/{path}" for name, path in names.items()}
        urls |= {"renewalInfo": f"{self.base}/renewal-info"} if self.window else {}
        return _json({**urls, "meta": self.meta})

    def _nonce(self, *_: object) -> Answer:
        return Answer(b"", 204)

    def _account(self, rest: str, protected: dict[str, Any], payload: Any) -> Answer:
        if rest:
            return _json({"status": "valid"})
        key = json.dumps(protected["jwk"], sort_keys=True)
        known = self.accounts.setdefault(key, str(len(self.accounts) + 1))
        return _json({"status": "valid"}, 201, Location=f"{self.base}/account/{known}")

    def _new_order(self, rest: str, protected: dict[str, Any], payload: Any) -> Answer:
        number = str(len(self.orders) + 1)
        self.orders[number] = _Order([each["value"] for each in payload["identifiers"]])
        return replace(
            self._order(number, {}, None), status=201, headers={"Location": f"{self.base}/order/{number}"}
        )

    def _order(self, number: str, protected: dict[str, Any], payload: Any) -> Answer:
        if number not in self.orders:
            return problem("malformed", "no such order", 404)
        order = self.orders[number]
        body: dict[str, Any] = {
            "status": order.status,
            "identifiers": [{"type": "dns", "value": name} for name in order.names],
            "authorizations": [f"{self.base}/authz/{number}/{name}" for name in order.names],
            "finalize": f"{self.base}/finalize/{number}",
        }
        if order.chain:
            body["certificate"] = f"{self.base}/certificate/{number}"
        return _json(body)

    def _authz(self, rest: str, protected: dict[str, Any], payload: Any) -> Answer:
        number, _, name = rest.partition("/")
        order = self.orders[number]
        status = "invalid" if name in order.failed else "valid" if name in order.proved else "pending"
        challenges = [
            {
                "type": kind,
                "url": f"{self.base}/challenge/{number}/{name}",
                "status": status,
                "token": base64.urlsafe_b64encode(f"{number} {name:40}".encode()).decode().rstrip("="),
                **({"error": order.failed[name]} if name in order.failed else {}),
            }
            for kind in self.offers
        ]
        found: dict[str, Any] = {"status": status, "challenges": challenges}
        found["identifier"] = {"type": "dns", "value": name.removeprefix("*.")}
        found |= {"wildcard": True} if name.startswith("*.") else {}
        return _json(found)

    def _challenge(self, rest: str, protected: dict[str, Any], payload: Any) -> Answer:
        number, _, name = rest.partition("/")
        order = self.orders[number]
        if name in self.refuses:
            order.failed[name] = self.refuses[name]
            order.status = "invalid"
        else:
            order.proved.add(name)
            if order.proved >= set(order.names):
                order.status = "ready"
        return _json({"type": "http-01", "url": "x", "status": "processing"})

    def _finalize(self, number: str, protected: dict[str, Any], payload: Any) -> Answer:
        order = self.orders[number]
        request = x509.load_der_x509_csr(_decoded(payload["csr"]))
        order.chain = self._issue(request, order.names)
        order.status = "valid"
        return self._order(number, {}, None)

    def _certificate(self, number: str, protected: dict[str, Any], payload: Any) -> Answer:
        return Answer(self.orders[number].chain.encode(), headers={"Content-Type": "application/pem"})

    def _renewal_info(self, *_: object) -> Answer:
        assert self.window is not None
        start, end = self.window
        window = {"start": start, "end": end}
        return _json({"suggestedWindow": window, "explanationURL": "https://ca.test/why"})

    def _issue(self, request: x509.CertificateSigningRequest, names: list[str]) -> str:
        start = dt.datetime.fromtimestamp(self.now, dt.UTC) if self.now else dt.datetime.now(dt.UTC)
        key = serialization.load_pem_private_key(self.ca.key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(self.ca.certificate)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + self.life)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        )
        made = builder.sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode() + self.ca.certificate.decode()


def _json(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(body).encode(), status, {"Content-Type": "application/json", **headers})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _opened(body: bytes) -> tuple[dict[str, Any], Any]:
    """The protected header and the payload of a JWS; whose it is is not looked at."""
    jws = json.loads(body)
    payload = _decoded(jws["payload"])
    return json.loads(_decoded(jws["protected"])), json.loads(payload) if payload else None


def _handler(authority: FakeAuthority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # head and body in one packet

        def do_GET(self) -> None:
            self._reply("GET", b"")

        def do_HEAD(self) -> None:
            self._reply("HEAD", b"")

        def do_POST(self) -> None:
            self._reply("POST", self.rfile.read(int(self.headers["Content-Length"])))

        def _reply(self, method: str, body: bytes) -> None:
            made = authority.answer(method, self.path, body)
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            if made.status != 204:
                self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            if method != "HEAD" and made.status != 204:
                self.wfile.write(made.body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
