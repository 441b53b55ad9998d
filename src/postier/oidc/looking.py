"""Looking at a provider as logins do, to tell an administrator what is wrong with it."""

from __future__ import annotations

from typing import NamedTuple

from postier.oidc.source import ProviderUnavailable, Source

__all__ = ["Looked", "look_at"]


class Looked(NamedTuple):
    """`keys`: that verify signatures. `introspection`: where it is asked about tokens, "" for nowhere.
    `problem`: "" where it may be used."""

    issuer: str
    keys: int
    introspection: str
    problem: str


async def look_at(source: Source) -> Looked:
    """Never fails: what is wrong stands in `problem`, and why in the log."""
    provider, keys, introspection, problem = source.provider, 0, "", ""
    try:
        metadata = await source.metadata()
        introspection = metadata.introspection_endpoint if provider.asks else ""
        if provider.asks and not introspection:
            problem = "it has no place to ask about tokens: leave client_id and client_secret out"
        if metadata.jwks_uri:
            keys = len(await source.keys())
    except ProviderUnavailable as error:
        problem = f"{error}; {source.trouble or 'the log says why'}"
    if not problem and not keys and not introspection:
        problem = "it has no keys that verify signatures, and cannot be asked about tokens"
    return Looked(provider.issuer, keys, introspection, problem)
