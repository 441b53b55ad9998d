"""The documents that mail programs and people set an account up with: rows of the table of documents.

Each is for anybody who asks for a domain of ours, and the same whether or not the address has a mailbox. What
is better not forged by somebody on the way is told over HTTPS only: who asks for it in clear is sent there.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from starlette.responses import RedirectResponse, Response

from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.clients.autoconfig import autoconfig_document
from postier.clients.autodiscover import (
    LONGEST_REQUEST,
    OUTLOOK,
    RequestError,
    autodiscover_document,
    error_document,
    read_request,
)
from postier.clients.autodiscover_json import JsonAnswer, autodiscover_json, no_such_user
from postier.clients.card import MOBILECONFIG_PATH, PAGE_PATH
from postier.clients.mobileconfig import MEDIA_TYPE, mobileconfig_document
from postier.clients.pacc import pacc_document
from postier.clients.page import card_page
from postier.clients.settings import ClientSettings
from postier.clients.words import LANGUAGES
from postier.http.documents import Asked, Document

__all__ = ["client_documents"]

_NO_XML = re.compile("[\ufffe\uffff]")
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}


class _Who(NamedTuple):
    """An address, and the A-labels of its domain."""

    address: str
    domain: str


Find = Callable[[str], Awaitable[ClientSettings | None]]
Sign = Callable[[bytes], Awaitable[bytes]]


def client_documents(find: Find, sign: Sign, clock: Clock, web_port: int) -> tuple[Document, ...]:
    """`find`: the settings of a domain (A-labels), None where it is not ours. `sign`: a profile; what it
    can't sign it returns as it is. `web_port`: of HTTPS, 0 for none."""
    rows = _Rows(find, sign, clock, web_port)
    get, post = ("GET",), ("GET", "POST")
    json_path = "/autodiscover/autodiscover.json"
    return (
        Document("/mail/config-v1.1.xml", rows.autoconfig),
        Document("/.well-known/autoconfig/mail/config-v1.1.xml", rows.autoconfig),
        Document("/.well-known/mail-v1.xml", rows.autoconfig),
        Document("/.well-known/user-agent-configuration.json", rows.pacc),
        Document(
            "/autodiscover/autodiscover.xml", rows.autodiscover, post, any_case=True, body=LONGEST_REQUEST + 1
        ),
        Document(json_path, rows.autodiscover_json, get, any_case=True),
        Document(json_path + "/v1.0/{email}", rows.autodiscover_json, get, any_case=True),
        Document(MOBILECONFIG_PATH, rows.mobileconfig),
        Document(PAGE_PATH, rows.page),
        Document("/.well-known/jmap", rows.jmap),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    find: Find
    sign: Sign
    clock: Clock
    web_port: int

    async def autoconfig(self, asked: Asked) -> Response | None:
        """For the domain of the address, where that is ours, too; else for that of the host."""
        who = _who(asked.query("emailaddress"))
        settings = await self._of(asked.host, "autoconfig.")
        if settings is None:
            return None
        if who is not None:
            settings = await self.find(who.domain) or settings
        return Response(autoconfig_document(settings), media_type="text/xml")

    async def pacc(self, asked: Asked) -> Response | None:
        settings = await self._of(asked.host, "ua-auto-config.")
        document = None if settings is None else pacc_document(settings)
        return None if document is None else Response(document, media_type="application/json")

    async def autodiscover(self, asked: Asked) -> Response | None:
        """Outlook asks in clear to be sent elsewhere ([MS-OXDISCO] 3.1.5.3), and by GET for nothing."""
        if not asked.is_secure:
            return self._to_https(asked)
        if asked.request.method != "POST":
            return self._error(600, asked)
        try:
            request = read_request(asked.body)
        except RequestError:
            return self._error(600, asked)
        who = _who(request.address)
        if who is None:
            return self._error(600, asked)
        if request.schema and request.schema != OUTLOOK:
            return self._error(601, asked)
        settings = await self.find(who.domain)
        if settings is None:
            return self._error(500, asked)
        return Response(autodiscover_document(settings, who.address), media_type="text/xml")

    async def autodiscover_json(self, asked: Asked) -> Response | None:
        if not asked.is_secure:
            return self._to_https(asked)
        text = asked.values.get("email") or asked.query("email")
        settings = (await self._for(text))[1] if text else await self._of(asked.host, "autodiscover.")
        if settings is None:
            return _json(no_such_user())
        return _json(autodiscover_json(settings, asked.query("protocol")))

    async def mobileconfig(self, asked: Asked) -> Response | None:
        if not asked.is_secure:
            return self._to_https(asked)
        who, settings = await self._for(asked.query("email"))
        if who is None or settings is None:
            return None
        protocol = "pop3" if asked.query("protocol").lower() in ("pop", "pop3") else "imap"
        document = mobileconfig_document(settings, who.address, protocol=protocol)
        if document is None:
            return None
        headers = {
            "Content-Disposition": f'attachment; filename="{settings.domain}.mobileconfig"',
            "Connection": "close",  # a signature costs as much as a handshake, and is limited as one
        }
        return Response(await self.sign(document), 200, headers, MEDIA_TYPE)

    async def page(self, asked: Asked) -> Response | None:
        if not asked.is_secure:
            return self._to_https(asked)
        who, settings = await self._for(asked.query("address"))
        if who is None or settings is None:
            return None
        page = card_page(settings, who.address, _language(asked))
        return Response(page, 200, _PAGE_HEADERS, "text/html")

    async def jmap(self, asked: Asked) -> Response | None:
        """RFC 8620 2.2: the session resource may be elsewhere."""
        settings = await self._of(asked.host, "")
        return RedirectResponse(settings.jmap, 302) if settings is not None and settings.jmap else None

    # ------------------------------------------------------------------ whom it is for

    async def _of(self, host: str, prefix: str) -> ClientSettings | None:
        """Of the domain that `host` is, or is a name of."""
        if prefix and host.startswith(prefix):
            return await self.find(host.removeprefix(prefix))
        return await self.find(host)

    async def _for(self, text: str) -> tuple[_Who | None, ClientSettings | None]:
        who = _who(text)
        return who, None if who is None else await self.find(who.domain)

    def _to_https(self, asked: Asked) -> Response | None:
        if not self.web_port or not asked.host:
            return None
        port = "" if self.web_port == 443 else f":{self.web_port}"
        url = asked.request.url.replace(scheme="https", netloc=asked.host + port)
        return RedirectResponse(str(url), 302)

    def _error(self, code: int, asked: Asked) -> Response:
        time = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%H:%M:%S.%f")
        return Response(error_document(code, time=time, hostname=asked.host), media_type="text/xml")


def _who(text: str) -> _Who | None:
    """One that a mailbox of ours could have, and that XML can hold."""
    try:
        address = Address.parse(text.strip())
    except ValueError:
        return None
    if not isinstance(address.domain, Domain) or _NO_XML.search(text):
        return None
    return _Who(str(address), address.domain.ascii)


def _json(answer: JsonAnswer) -> Response:
    return Response(answer.body, answer.status, media_type="application/json")


def _language(asked: Asked) -> str:
    """What the parameter says, else the first that the browser names and we know."""
    accepted = asked.request.headers.get("accept-language", "")[:200].split(",")
    wanted = [asked.query("language"), *(each.strip()[:2] for each in accepted)]
    return next((each.lower() for each in wanted if each.lower() in LANGUAGES), LANGUAGES[0])
