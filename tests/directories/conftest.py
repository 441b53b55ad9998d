from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from postier.directories.kinds import filled
from postier.store.api import LdapDirectory
from postier.testing.slapd import ADMIN, ADMIN_PASSWORD, BASE, Slapd


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    if shutil.which(Slapd.program()) is None or shutil.which("ldapadd") is None:
        if os.environ.get("POSTIER_NO_SKIP"):
            pytest.fail("slapd and ldap-utils are not installed")
        pytest.skip("slapd and ldap-utils are not installed")
    with Slapd() as server:
        yield server


@pytest.fixture
def office(slapd: Slapd) -> Callable[..., LdapDirectory]:
    """The directory as an administrator would have it, with what a test changes of it."""

    def make(**changes: object) -> LdapDirectory:
        plain = LdapDirectory(
            "office",
            (slapd.ldaps,),
            ("orchard.test",),
            BASE,
            kind="openldap",
            authorities=str(slapd.authorities),
            bind_dn=ADMIN,
            password=ADMIN_PASSWORD,
            quota_attribute="mailQuota",
        )
        return filled(replace(plain, **changes))  # type: ignore[arg-type]

    return make
