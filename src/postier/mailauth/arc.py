"""The Authenticated Received Chain, validated only (RFC 8617 5.2): who handled a message on its way, and what
they saw before they changed it.

    verifier = ArcVerifier(SignedMessage(header_section))
    ...                                            # the message is fed
    result = await verifier.finish(resolver, clock)

A chain that passes proves who sealed it and nothing else: anybody can seal a lie. What a seal is worth is
the reader's own knowledge of its domain (`ArcResult.vouches`). Every failure is final, the DNS's too (5.2.1).

Cost: the fields are canonicalized and hashed once, whatever the number of sets; a chain costs one signature
check for each set and one more, 51 at most.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postier.base.clock import Clock
from postier.dns.api import Resolver, TemporaryFailure
from postier.mailauth.dkim.canonical import relaxed_field
from postier.mailauth.dkim.message import MAX_SECONDS, SignedMessage, fetch_key, key_name
from postier.mailauth.dkim.result import Dkim
from postier.mailauth.dkim.signature import (
    ALGORITHMS,
    Signature,
    domain_tag,
    number_tag,
    parse_arc_signature,
    require_tags,
    without_signature_data,
)
from postier.mailauth.dkim.tags import TagError, decode_base64, parse_tag_list
from postier.mailauth.headers import Field
from postier.mailauth.reported import reported_results

__all__ = ["NO_CHAIN", "Arc", "ArcResult", "ArcSet", "ArcVerifier"]

MAX_SETS = 50
RESULTS, SIGNATURE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"
_NAMES = (RESULTS, SIGNATURE, SEAL)
_INSTANCE = re.compile(r"[1-9][0-9]?")
_INSTANCE_FIRST = re.compile(r"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,4})[ \t\r\n]*;")


class Arc(enum.Enum):
    """Chain validation status (RFC 8617 4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One hop: `domain` and `selector` of its seal, A-labels; `results`: what it says it found, as RFC 8601
    has it, from its authserv-id on."""

    domain: str
    selector: str
    results: str

    def says_dmarc_passed(self, author_domain: str) -> bool:
        return any(
            found.method == "dmarc"
            and found.result == "pass"
            and found.properties.get("header.from", "").lower() == author_domain
            for found in reported_results(self.results)
        )


@dataclass(frozen=True, slots=True)
class ArcResult:
    """The status of the whole chain; `sets` from the first hop to the last, of a chain that passes.

    `covers_message`: the last hop signed From and the body to its end.
    """

    result: Arc
    reason: str = ""
    sets: tuple[ArcSet, ...] = ()
    covers_message: bool = False

    @property
    def sealer(self) -> str:
        """The domain of the last hop, "" where the chain does not pass."""
        return self.sets[-1].domain if self.sets else ""

    def vouches(self, author_domain: str, is_known: Callable[[str], bool]) -> ArcSet | None:
        """The set of the farthest hop that known ones lead to, if it says that DMARC passed there.

        Hops that are not known are believed nothing, and nothing before them.
        """
        if self.result is not Arc.PASS or not self.covers_message:
            return None
        farthest = None
        for each in reversed(self.sets):
            if not is_known(each.domain):
                break
            farthest = each
        if farthest is None or not farthest.says_dmarc_passed(author_domain):
            return None
        return farthest


NO_CHAIN = ArcResult(Arc.NONE)


@dataclass(frozen=True, slots=True)
class _Seal:
    field: Field
    domain: str
    selector: str
    algorithm: str
    data: bytes
    status: str


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain whose structure holds. `fields`: the three of each set, in the order of the seals' hash."""

    fields: tuple[tuple[Field, Field, Field], ...]
    seals: tuple[_Seal, ...]
    signature: Signature


class ArcVerifier:
    """The chain of one message."""

    __slots__ = ("_chain", "_fault", "_message")

    def __init__(self, message: SignedMessage) -> None:
        self._message = message
        self._fault = ""
        self._chain: _Chain | None = None
        found = [field for field in message.fields if field.name in _NAMES]
        if not found:
            return
        try:
            self._chain = _read_chain(found)
            message.expect(self._chain.signature)
        except TagError as error:
            self._fault = str(error)

    @property
    def key_names(self) -> list[str]:
        """Where the keys are, for a resolver that asks ahead; each once."""
        if self._chain is None:
            return []
        names = [key_name(self._chain.signature.domain, self._chain.signature.selector)]
        names += [key_name(seal.domain, seal.selector) for seal in self._chain.seals]
        return list(dict.fromkeys(names))

    async def finish(self, resolver: Resolver, clock: Clock) -> ArcResult:
        """The message has been fed. Never raises for what a peer or the DNS says."""
        chain = self._chain
        if chain is None:
            return ArcResult(Arc.FAIL, self._fault) if self._fault else NO_CHAIN
        self._message.finish()
        last, signature = chain.fields[-1][1], chain.signature
        deadline = clock.monotonic() + MAX_SECONDS
        result, reason, short = await self._message.check(last, signature, resolver, clock, deadline)
        if result is not Dkim.PASS:
            return ArcResult(Arc.FAIL, f"last signature: {reason}")
        reason = await _check_seals(chain, resolver, clock, deadline)
        if reason:
            return ArcResult(Arc.FAIL, reason)
        return ArcResult(
            Arc.PASS,
            sets=tuple(
                [
                    ArcSet(seal.domain, seal.selector, _payload(fields[0]))
                    for fields, seal in zip(chain.fields, chain.seals, strict=True)
                ]
            ),
            covers_message=b"from" in signature.headers and not short,
        )


async def _check_seals(chain: _Chain, resolver: Resolver, clock: Clock, deadline: float) -> str:
    """Why a seal does not hold, "" if all do. Each covers all fields of the sets up to its own (5.1.1)."""
    running = hashlib.sha256()
    for instance, (fields, seal) in enumerate(zip(chain.fields, chain.seals, strict=True), 1):
        for field in fields[:2]:
            running.update(relaxed_field(field.raw) + b"\r\n")
        digest = running.copy()
        digest.update(relaxed_field(without_signature_data(seal.field.raw)))
        running.update(relaxed_field(seal.field.raw) + b"\r\n")
        if clock.monotonic() > deadline:
            return "the DNS took too long"
        try:
            key = await fetch_key(resolver, seal.domain, seal.selector, seal.algorithm)
        except TemporaryFailure:
            return f"seal {instance}: no answer for the key"
        except TagError as error:
            return f"seal {instance}: {error}"
        if not key.verifies_digest(seal.data, digest.digest()):
            return f"seal {instance} did not verify"
    return ""


def _read_chain(found: Sequence[Field]) -> _Chain:
    """Raises TagError where the structure is not that of 5.2, steps 1 to 3."""
    if len(found) > MAX_SETS * len(_NAMES):
        raise TagError("more than 50 sets")
    sets: dict[tuple[int, bytes], Field] = {}
    tags: dict[tuple[int, bytes], dict[str, str]] = {}
    for field in found:
        read: dict[str, str] = {} if field.name == RESULTS else parse_tag_list(field.value)
        place = _instance(field, read), field.name
        if place in sets:
            raise TagError(f"instance {place[0]} stands twice")
        sets[place], tags[place] = field, read
    last = max(instance for instance, _ in sets)
    if last > MAX_SETS or len(sets) != last * len(_NAMES):
        raise TagError("the sets are not complete")
    chain = _Chain(
        fields=tuple([(sets[i, RESULTS], sets[i, SIGNATURE], sets[i, SEAL]) for i in range(1, last + 1)]),
        seals=tuple([_read_seal(sets[i, SEAL], tags[i, SEAL]) for i in range(1, last + 1)]),
        signature=parse_arc_signature(tags[last, SIGNATURE]),
    )
    if [seal.status for seal in chain.seals] != ["none"] + ["pass"] * (last - 1):
        raise TagError("a hop found the chain broken")
    return chain


def _read_seal(field: Field, tags: dict[str, str]) -> _Seal:
    """Raises TagError (4.1.3)."""
    require_tags(tags, ("a", "b", "d", "s", "cv"))
    if "h" in tags:
        raise TagError("a seal with h=")
    algorithm = tags["a"].lower()
    if algorithm not in ALGORITHMS:
        raise TagError("algorithm not accepted")
    number_tag(tags, "t")
    return _Seal(
        field, domain_tag(tags, "d"), domain_tag(tags, "s"), algorithm, decode_base64(tags["b"]), tags["cv"]
    )


def _instance(field: Field, tags: dict[str, str]) -> int:
    """i= of the field, from 1 (4.2.1). Raises TagError."""
    text = tags.get("i", "")
    if field.name == RESULTS:
        found = _INSTANCE_FIRST.match(field.value[:100].decode("latin-1"))
        text = found.group(1) if found else ""
    if not _INSTANCE.fullmatch(text):
        raise TagError("no instance number")
    return int(text)


def _payload(field: Field) -> str:
    return field.value.partition(b";")[2].decode("utf-8", "replace")
