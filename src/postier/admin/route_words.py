"""Routes, and what was found out about one, for a person and for a program. No password is among it."""

from __future__ import annotations

from collections.abc import Iterator

from postier.smtp.outbound.transport import Probe
from postier.store.api import MailRoute, RouteTls, RouteTransport

__all__ = ["fact_words", "facts", "place_words", "probe_facts", "probe_words"]


def facts(route: MailRoute) -> dict[str, object]:
    """What differs from a plain route, beside where it leads."""
    found: dict[str, object] = {"domain": route.pattern}
    if len(route.hosts) == 1 and route.hosts[0].port and not route.hosts[0].mx:
        found |= {"host": route.hosts[0].name, "port": route.hosts[0].port}
    elif route.hosts:
        found["hosts"] = [str(host) for host in route.hosts]
    more = {
        "sender": route.sender,
        "transport": "" if route.transport is RouteTransport.SMTP else route.transport.value,
        "balanced": route.balanced,
        "tls": "" if route.tls is RouteTls.POLICY else route.tls.value,
        "implicit_tls": route.implicit_tls,
        "authorities": route.authorities,
        "login": route.login,
        "error": route.reply,
        "fallback": route.fallback,
        "fallback_attempts": route.fallback_attempts,
        "fallback_seconds": route.fallback_age,
        "pool": route.pool,
        "retry_first": route.retry_first,
        "retry_max": route.retry_max,
    }
    return found | {name: value for name, value in more.items() if value}


def place_words(route: MailRoute, verb: str = "goes to ") -> str:
    """`verb`: in front of a place."""
    if route.transport is RouteTransport.DISCARD:
        return "is discarded"
    if route.transport is RouteTransport.ERROR:
        return f"is returned: {route.reply}"
    return f"{verb}{', '.join(map(str, route.hosts))}" if route.hosts else "goes where the DNS says"


def fact_words(route: MailRoute) -> Iterator[str]:
    """How it goes there."""
    said = (
        (route.transport is RouteTransport.LMTP, "by LMTP"),
        (route.balanced, "hosts by turns"),
        (route.implicit_tls, "TLS from the start"),
        (route.login, f"login as {route.login}, under TLS with a certificate for the host"),
        (not route.login and route.tls is not RouteTls.POLICY, f"TLS {route.tls.value}"),
        (route.authorities, f"authorities {route.authorities}"),
        (route.pool, f"from pool {route.pool}"),
        (route.fallback_attempts, f"{route.fallback} after {route.fallback_attempts} attempts"),
        (route.fallback_age, f"{route.fallback} after {route.fallback_age / 3600:g} hours"),
        (route.retry_first, f"again after {route.retry_first} s"),
        (route.retry_max, f"waits of at most {route.retry_max} s"),
    )
    return (words for holds, words in said if holds)


def probe_words(probe: Probe) -> Iterator[str]:
    if probe.fault:
        yield f"can't be used: {probe.fault}"
        return
    terms = probe.terms
    if terms is not None:
        origin = terms.policy.origin
        yield (
            f"TLS {'required' if terms.policy.required else 'if offered'} ({origin})"
            if not terms.clear
            else "no TLS"
        )
        yield f"says EHLO as {terms.name}, from {probe.source.address if probe.source else 'any address'}"
        if terms.login:
            yield f"logs in as {terms.login}"
    if probe.offers is not None:
        yield f"connected as {probe.offers.name}, TLS: {probe.tls}"


def probe_facts(probe: Probe) -> dict[str, object]:
    found: dict[str, object] = {"host": probe.host}
    if probe.fault:
        return found | {"fault": probe.fault}
    terms = probe.terms
    if terms is not None:
        found |= {
            "tls_policy": terms.policy.origin,
            "tls_required": terms.policy.required,
            "ehlo": terms.name,
            "source": probe.source.address if probe.source else "",
        }
        found |= {"login": terms.login} if terms.login else {}
    if probe.offers is not None:
        offers = probe.offers
        said = {
            "PIPELINING": offers.pipelining, "8BITMIME": offers.eight_bit_mime, "SMTPUTF8": offers.smtputf8,
            "DSN": offers.dsn, "CHUNKING": offers.chunking, "BINARYMIME": offers.binary_mime,
            "REQUIRETLS": offers.requiretls,
        }  # fmt: skip
        found |= {"tls": probe.tls, "name": offers.name, "size": offers.size}
        found["extensions"] = [name for name, offered in said.items() if offered]
    return found
