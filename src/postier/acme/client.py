"""The dialogue with one authority (RFC 8555), around the library that signs it; every call blocks.

Run it in a thread of its own (`in_thread`): a call takes CALL_SECONDS at most, whatever the other side does.
It is a stranger: only its HTTPS is spoken to, and no redirect followed; an answer has LIMIT octets at most;
what it says is read as far as it makes sense, and everything else becomes one AcmeProblem.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import acme.challenges
import acme.client
import acme.errors
import acme.jws
import acme.messages
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import JSONObjectWithFields, decode_b64jose, encode_b64jose, field
from josepy.jwa import ES256, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from postier.acme.plan import ExternalAccount
from postier.acme.problems import AcmeProblem, one_line
from postier.base.log import Log

__all__ = [
    "CALL_SECONDS",
    "AcmeClient",
    "Authorization",
    "Challenge",
    "Directory",
    "Order",
    "in_thread",
    "require_directory_url",
]

CALL_SECONDS = 60.0
READ_SECONDS = 20.0
LIMIT = 512 * 1024
MAX_URLS = 200
_USER_AGENT = "Postier (a mail server)"
_NONCE_TRIES = 3

Result = TypeVar("Result")
log = Log("acme")


@dataclass(frozen=True, slots=True)
class Directory:
    """What the authority says of itself (RFC 8555 7.1.1)."""

    terms: str = ""
    authorities: tuple[str, ...] = ()
    needs_external_account: bool = False
    knows_renewal_info: bool = False
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """RFC 8555 7.1.3. `url`: its own; `problem`: why it is invalid; `wait`: seconds to wait before the next
    look."""

    url: str
    status: str
    names: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str = ""
    problem: str = ""
    problem_type: str = ""
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Challenge:
    """RFC 8555 7.1.5. `authorization`: what is to be shown (8.1); `text`: what DNS is to show (8.4)."""

    kind: str
    url: str
    token: str
    authorization: str
    text: str
    status: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """RFC 8555 7.1.4. `name`: without "*."; `problem`: what the authority said of a challenge that failed."""

    url: str
    name: str
    wildcard: bool
    status: str
    challenges: tuple[Challenge, ...]
    problem: str = ""
    problem_type: str = ""
    wait: int = 0


async def in_thread(call: Callable[[], Result]) -> Result:
    """What `call` returns or raises, from a thread that nobody waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def deliver(result: Result | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, fault = None, None
        try:
            result = call()
        except BaseException as error:
            fault = error
        try:
            loop.call_soon_threadsafe(deliver, result, fault)
        except RuntimeError:
            log.debug("an answer came after the end")

    threading.Thread(target=run, name="acme", daemon=True).start()
    try:
        async with asyncio.timeout(CALL_SECONDS + READ_SECONDS):
            return await outcome
    except TimeoutError:
        raise AcmeProblem("the authority does not answer in time") from None


def require_directory_url(url: str) -> None:
    """HTTPS (RFC 8555 6.1); HTTP only of this machine. Raises ValueError with one line."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if parts.scheme not in ("https", "http") or not host or parts.username or not url.isprintable():
        raise ValueError("it is no URL of HTTPS")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("it must begin with https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Network(acme.client.ClientNetwork):
    """The library's, with bounds. `retry_after`: of the last answer, in seconds, 0 for none."""

    def __init__(self, key: JWK, alg: JWASignature, authorities: Path | None) -> None:
        super().__init__(key, alg=alg, user_agent=_USER_AGENT, timeout=int(READ_SECONDS))
        self.session.trust_env = False  # neither ~/.netrc nor a proxy that nobody has set here
        self._authorities = str(authorities) if authorities else _system_authorities()
        self.retry_after = 0
        self.deadline = 0.0

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            require_directory_url(url)
        except ValueError as error:
            raise AcmeProblem(f"the authority sends us to {one_line(url)}: {error}") from None
        headers = {"User-Agent": self.user_agent, **kwargs.pop("headers", {})}
        kwargs |= {"timeout": READ_SECONDS, "verify": self._authorities, "headers": headers}
        kwargs |= {"stream": True, "allow_redirects": False}
        response = self.session.request(method, url, *args, **kwargs)
        try:
            response._content = self._body(response)
        finally:
            response.close()
        response.encoding = "utf-8"
        self.retry_after = _seconds(response.headers.get("Retry-After", ""))
        if response.is_redirect or 300 <= response.status_code < 400:
            raise AcmeProblem("the authority answers with a redirect, which is not followed")
        return response

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_content(16 * 1024):
            body += piece
            if len(body) > LIMIT:
                raise AcmeProblem(f"the authority's answer has more than {LIMIT} octets")
            if time.monotonic() > self.deadline:
                raise AcmeProblem("the authority does not answer in time")
        return bytes(body)


def _system_authorities() -> str | bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _seconds(text: str) -> int:
    """Retry-After (RFC 9110 10.2.3); 0 for what is none."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0
    left = when - (dt.datetime.now(dt.UTC) if when.tzinfo else dt.datetime.now(dt.UTC).replace(tzinfo=None))
    return max(0, int(left.total_seconds()))


class _NewOrder(acme.messages.NewOrder):
    """With the certificate that it replaces (RFC 9773 5)."""

    replaces: str = field("replaces", omitempty=True)


class AcmeClient:
    """`directory`: the URL; `key`: of the account, PEM; `account`: its URL, "" before it is known;
    `authorities`: a PEM file to believe in place of the system's. Every method raises AcmeProblem."""

    def __init__(self, directory: str, key: str, account: str = "", authorities: Path | None = None) -> None:
        self._url = directory
        self._key, alg = _account_key(key)
        self._net = _Network(self._key, alg, authorities)
        self._directory: Mapping[str, Any] = {}
        if account:
            self._use(account)

    def close(self) -> None:
        self._net.session.close()

    def directory(self) -> Directory:
        """Asks for it once."""
        with self._asking():
            found = self._urls()
            meta = found.get("meta") or {}
            return Directory(
                terms=one_line(meta.get("termsOfService") or ""),
                authorities=tuple(one_line(each) for each in (meta.get("caaIdentities") or ())[:20]),
                needs_external_account=meta.get("externalAccountRequired") is True,
                knows_renewal_info=isinstance(found.get("renewalInfo"), str),
                profiles=tuple(one_line(each) for each in list(meta.get("profiles") or ())[:20]),
            )

    def register(
        self, contact: Sequence[str], *, terms_agreed: bool, external: ExternalAccount | None = None
    ) -> str:
        """The URL of our account, which is made unless there is one with this key (RFC 8555 7.3)."""
        with self._asking():
            urls = self._urls()
            fields: dict[str, Any] = {"contact": tuple(contact)} if contact else {}
            if terms_agreed:
                fields["terms_of_service_agreed"] = True
            if external is not None:
                fields["external_account_binding"] = acme.messages.ExternalAccountBinding.from_data(
                    account_public_key=self._key.public_key(),
                    kid=external.kid,
                    hmac_key=external.key,
                    directory=acme.messages.Directory({"newAccount": urls["newAccount"]}),
                )
            self._net.account = None
            response = self._post(urls["newAccount"], acme.messages.NewRegistration(**fields))
            status = response.json().get("status")
            if status not in ("valid", None):
                raise AcmeProblem(f"the authority has made our account {one_line(status)}")
            location = self._location(response)
            self._use(location)
            return location

    def tell_contact(self, account: str, contact: Sequence[str]) -> None:
        """RFC 8555 7.3.2."""
        with self._asking():
            self._use(account)
            self._post(account, acme.messages.UpdateRegistration(contact=tuple(contact)))

    def new_order(self, names: Sequence[str], *, profile: str = "", replaces: str = "") -> Order:
        """RFC 8555 7.4. `replaces`: the certificate's name by RFC 9773 4.1."""
        with self._asking():
            kinds = acme.messages.IDENTIFIER_FQDN
            identifiers = [acme.messages.Identifier(typ=kinds, value=name) for name in names]
            facts: dict[str, Any] = {"profile": profile} if profile else {}
            facts |= {"replaces": replaces} if replaces and "renewalInfo" in self._urls() else {}
            try:
                response = self._post(self._urls()["newOrder"], _NewOrder(identifiers=identifiers, **facts))
            except acme.messages.Error as error:
                if "replaces" not in facts or error.code not in ("alreadyReplaced", "malformed", None):
                    raise
                del facts["replaces"]  # RFC 9773 5: the order itself may be good
                response = self._post(self._urls()["newOrder"], _NewOrder(identifiers=identifiers, **facts))
            except acme.errors.ConflictError:
                facts.pop("replaces", "")
                response = self._post(self._urls()["newOrder"], _NewOrder(identifiers=identifiers, **facts))
            return self._order(response, self._location(response))

    def order(self, url: str) -> Order:
        with self._asking():
            return self._order(self._post(url, None), url)

    def authorization(self, url: str) -> Authorization:
        with self._asking():
            response = self._post(url, None)
            body = acme.messages.Authorization.from_json(response.json())
            if body.identifier is None or body.status is None:
                raise AcmeProblem("the authority's answer is no authorization")
            challenges = tuple(self._challenges(body.challenges or ()))
            error = next((each.error for each in body.challenges or () if each.error), None)
            return Authorization(
                url,
                one_line(body.identifier.value).lower(),
                bool(body.wildcard),
                body.status.name,
                challenges,
                *_words(error),
                self._net.retry_after,
            )

    def _challenges(self, bodies: Sequence[acme.messages.ChallengeBody]) -> Iterator[Challenge]:
        for body in bodies[:20]:
            chall = body.chall
            if isinstance(chall, acme.challenges.UnrecognizedChallenge):
                if chall.jobj.get("type") != "tls-alpn-01":
                    continue
                chall = acme.challenges.HTTP01(token=_token(chall.jobj))
                kind = "tls-alpn-01"  # RFC 8737 3: the same key authorization
            else:
                kind = str(chall.typ)
            if isinstance(chall, acme.challenges.DNS01):
                proof, text = chall.key_authorization(self._key), chall.validation(self._key)
            elif isinstance(chall, acme.challenges.HTTP01):
                proof, text = chall.key_authorization(self._key), ""
            else:
                continue
            token = proof.partition(".")[0]
            yield Challenge(kind, str(body.uri), token, proof, text, body.status.name)

    def answer(self, challenge: Challenge) -> None:
        """We are ready for it (RFC 8555 7.5.1)."""
        with self._asking():
            self._post(challenge.url, _Ready())

    def finalize(self, order: Order, request: bytes) -> Order:
        """`request`: the CSR, DER (RFC 8555 7.4)."""
        with self._asking():
            return self._order(self._post(order.finalize, _Finalize(csr=request)), order.url)

    def certificate(self, order: Order) -> str:
        """The PEM chain (RFC 8555 7.4.2)."""
        with self._asking():
            return self._post(order.certificate, None).text

    def renewal_window(self, certificate: str) -> tuple[tuple[int, int], str, int]:
        """When the authority wants `certificate` (its name by RFC 9773 4.1) renewed, from and until; where
        that is explained, and when to ask again (seconds, 0 if it does not say)."""
        with self._asking():
            answer = self._net.get(f"{self._urls()['renewalInfo'].rstrip('/')}/{certificate}").json()
            window = answer["suggestedWindow"]
            times = (_moment(window["start"]), _moment(window["end"]))
            return times, one_line(answer.get("explanationURL") or ""), self._net.retry_after

    def _urls(self) -> Mapping[str, Any]:
        if not self._directory:
            found = self._net.get(self._url).json()
            missing = {"newNonce", "newAccount", "newOrder"} - set(found)
            if missing or not all(isinstance(found[name], str) for name in found if name.startswith("new")):
                raise AcmeProblem(f"{self._url} is no directory of an ACME server: see acme.directory")
            self._directory = found
        return self._directory

    def _use(self, account: str) -> None:
        body = acme.messages.Registration()
        self._net.account = acme.messages.RegistrationResource(uri=account, body=body)

    def _post(self, url: str, body: JSONDeSerializable | None) -> requests.Response:
        """A nonce may be used up by the time it arrives: with a fresh one, a few times (RFC 8555 6.5)."""
        for left in reversed(range(_NONCE_TRIES)):
            try:
                return self._net.post(url, body, new_nonce_url=self._urls()["newNonce"])
            except acme.messages.Error as error:
                if error.code != "badNonce" or not left:
                    raise
        raise AssertionError("the loop ends by itself")

    def _order(self, response: requests.Response, url: str) -> Order:
        body = acme.messages.Order.from_json(response.json())
        urls = body.authorizations or []
        if body.status is None or len(urls) > MAX_URLS or not all(isinstance(each, str) for each in urls):
            raise AcmeProblem("the authority's answer is no order")
        return Order(
            url,
            body.status.name,
            tuple(one_line(each.value).lower() for each in body.identifiers or ()),
            tuple(urls),
            str(body.finalize or ""),
            str(body.certificate or ""),
            *_words(body.error),
            self._net.retry_after,
        )

    @staticmethod
    def _location(response: requests.Response) -> str:
        url = response.headers.get("Location", "")
        if not url or len(url) > 1000 or not url.isprintable():
            raise AcmeProblem("the authority does not say where its answer belongs")
        return str(url)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Whatever is raised within comes out as AcmeProblem."""
        self._net.deadline = time.monotonic() + CALL_SECONDS
        try:
            yield
        except AcmeProblem:
            raise
        except acme.messages.Error as error:
            text, kind = _words(error)
            raise AcmeProblem(f"the authority says: {text}", kind, self._net.retry_after) from None
        except requests.exceptions.SSLError as error:
            raise AcmeProblem(
                f"the authority at {self._host} cannot prove who it is: {_tls_reason(error)}"
            ) from None
        except requests.RequestException as error:
            raise AcmeProblem(f"the authority at {self._host} cannot be reached: {_reason(error)}") from None
        except acme.errors.Error as error:
            raise AcmeProblem(_client_error(error), "", self._net.retry_after) from None
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.debug("answer not understood", exception=error)
            raise AcmeProblem("the authority's answer makes no sense") from None

    @property
    def _host(self) -> str:
        return one_line(urlsplit(self._url).netloc)


class _Ready(JSONObjectWithFields):
    """The empty object of RFC 8555 7.5.1."""

    def __bool__(self) -> bool:
        return True


class _Finalize(JSONObjectWithFields):
    csr: bytes = field("csr", encoder=encode_b64jose)


def _token(challenge: Mapping[str, Any]) -> bytes:
    """Of a challenge that the library does not know any more."""
    text = challenge["token"]
    if not isinstance(text, str) or not 0 < len(text) <= 400:
        raise ValueError("no token")
    return decode_b64jose(text)


def _account_key(pem: str) -> tuple[JWK, JWASignature]:
    key = load_pem_private_key(pem.encode(), None)
    if type(key).__name__.startswith("RSA"):
        return JWKRSA(key=key), RS256
    return JWKEC(key=key), ES256


def _words(error: acme.messages.Error | None) -> tuple[str, str]:
    """What the authority says, and the last word of the type."""
    if error is None:
        return "", ""
    parts = [error, *(error.subproblems or ())] if error.subproblems else [error]
    texts = dict.fromkeys(one_line(each.detail or each.title or each.typ or "") for each in parts[:4])
    kind = one_line(error.typ or "").rpartition(":")[2][:40]
    return one_line("; ".join(text for text in texts if text) or "no reason"), kind


def _moment(text: str) -> int:
    when = dt.datetime.fromisoformat(text)
    return int((when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp())


def _tls_reason(error: Exception) -> str:
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return one_line(each.verify_message or each)
        if isinstance(each, ssl.SSLError):
            return one_line((each.reason or str(each)).lower().replace("_", " "))
    return "TLS fails"


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    for each in _causes(error):
        if isinstance(each, OSError) and each.strerror and not isinstance(each, requests.RequestException):
            return one_line(each.strerror.lower())
    return "the connection breaks off"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting = [one for one in waiting if isinstance(one, BaseException)]


def _client_error(error: acme.errors.Error) -> str:
    if isinstance(error, acme.errors.NonceError):
        return "the authority sends no nonce, or none that can be one"
    response = next((each for each in error.args if isinstance(each, requests.Response)), None)
    if response is None and error.args and isinstance(error.args[0], tuple):
        response = next((each for each in error.args[0] if isinstance(each, requests.Response)), None)
    if response is not None:
        return f"the authority answers with status {response.status_code} and no reason"
    return "the authority's answer makes no sense"
