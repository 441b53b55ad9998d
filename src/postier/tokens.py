"""Access tokens of OpenID Connect providers, put together: what the settings name, ready to verify."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postier.backend import Backend, open_resolver
from postier.clients.settings import OAuthProvider
from postier.config.settings import Settings
from postier.fetch.client import HttpClient
from postier.net.tls import verifying_client_context
from postier.oidc.source import ProviderUnavailable, Source
from postier.oidc.verifier import OidcVerifier

__all__ = ["announced", "check_providers", "open_token_verifier", "token_sources"]


def check_providers(settings: Settings) -> None:
    """Raises CertificateError where the authorities of a provider can't be used."""
    for provider in settings.oidc.providers:
        if provider.authorities:
            verifying_client_context(settings.data / provider.authorities)


def token_sources(backend: Backend) -> list[Source]:
    """Each provider of the settings. Raises CertificateError."""
    resolver, data = open_resolver(backend.settings), backend.settings.data
    return [
        Source(
            provider,
            HttpClient(
                resolver,
                context=verifying_client_context(data / provider.authorities)
                if provider.authorities
                else None,
            ),
            backend.clock,
        )
        for provider in backend.settings.oidc.providers
    ]


def open_token_verifier(backend: Backend) -> OidcVerifier | None:
    """None where there are no providers. Raises CertificateError."""
    sources = token_sources(backend)
    return OidcVerifier(sources, backend.store, backend.clock) if sources else None


def announced(backend: Backend) -> Callable[[str], Awaitable[OAuthProvider | None]]:
    """Asks for what mail programs of a domain's people (A-labels) are told of their provider: nothing where
    there is none, it is not to be announced, or it is away. Raises CertificateError."""
    verifier = open_token_verifier(backend)

    async def ask(domain: str) -> OAuthProvider | None:
        try:
            advice = await verifier.advice(domain) if verifier is not None else None
        except ProviderUnavailable:
            return None
        if advice is None:
            return None
        return OAuthProvider(
            advice.issuer, advice.authorization_url, advice.token_url, advice.scope, advice.client
        )

    return ask
