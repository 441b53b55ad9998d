"""Keys that are quick to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postier.accounts import dkim_keys
from postier.mailauth.dkim.keys import generate_rsa


@pytest.fixture(scope="session", autouse=True)
def one_rsa_key() -> Iterator[None]:
    """Made once: each takes a while."""
    key = generate_rsa()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dkim_keys._MAKERS, "r", ("rsa", lambda: key))
        yield
