"""Networks that a setting names."""

from __future__ import annotations

import pytest

from postier.base.networks import NOWHERE, Networks


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("192.0.2.255", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.0", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("mx.example", False),
    ],
)
def test_addresses_are_inside_or_not(address: str, inside: bool):
    assert (address in Networks(["192.0.2.0/24", "2001:db8::/32"])) == inside
    assert address not in NOWHERE


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2.0/33", "mx.example", ""])
def test_what_is_no_network_is_refused(text: str):
    with pytest.raises(ValueError):
        Networks([text])
