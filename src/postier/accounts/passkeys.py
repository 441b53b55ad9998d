"""Passkeys (WebAuthn level 2): what a browser is asked to do, and whether what it did is right.

The person must have been verified by the authenticator (a finger, a face, a PIN), and the page must have been
ours: a passkey can't be used on a copy of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

__all__ = ["NewPasskey", "PasskeyAsked", "PasskeyRefused", "RelyingParty", "credential_of"]

LONGEST_CREDENTIAL = 1023
"""Octets of an id (WebAuthn 2, 4)."""


class PasskeyRefused(Exception):
    """It is not what was asked for; the message is for the log."""


class PasskeyAsked(NamedTuple):
    """`options`: for navigator.credentials, as JSON has them; `challenge`: what has to be signed."""

    options: Mapping[str, Any]
    challenge: bytes


class NewPasskey(NamedTuple):
    credential: bytes
    public_key: bytes
    signatures: int


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who we are to authenticators. `id`: a host name; `origin`: of our pages, scheme and port included."""

    id: str
    origin: str
    name: str

    def ask_for_new(self, user: bytes, name: str, shown: str, known: Iterable[bytes]) -> PasskeyAsked:
        """`user`: a handle that says nothing of the person. `known`: ids that are enrolled already."""
        options = generate_registration_options(
            rp_id=self.id,
            rp_name=self.name,
            user_id=user,
            user_name=name,
            user_display_name=shown or name,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return PasskeyAsked(json.loads(options_to_json(options)), options.challenge)

    def take_new(self, answer: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Raises PasskeyRefused."""
        try:
            found = verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except _WRONG as error:
            raise PasskeyRefused(str(error)) from None
        if len(found.credential_id) > LONGEST_CREDENTIAL:
            raise PasskeyRefused("its id is too long")
        return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)

    def ask_for_proof(self, known: Iterable[bytes]) -> PasskeyAsked:
        options = generate_authentication_options(
            rp_id=self.id,
            allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return PasskeyAsked(json.loads(options_to_json(options)), options.challenge)

    def take_proof(self, answer: Mapping[str, Any], challenge: bytes, public_key: bytes, count: int) -> int:
        """The passkey's count of signatures now; one that went back is a copy's. Raises PasskeyRefused."""
        try:
            return verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                credential_public_key=public_key,
                credential_current_sign_count=count,
                require_user_verification=True,
            ).new_sign_count
        except _WRONG as error:
            raise PasskeyRefused(str(error)) from None


def credential_of(answer: Mapping[str, Any]) -> bytes:
    """The id that an answer names; b"" for none."""
    try:
        return base64url_to_bytes(str(answer["rawId"]))
    except (KeyError, ValueError):
        return b""


_WRONG = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What the library raises for an answer that is none."""
