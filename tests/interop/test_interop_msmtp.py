"""msmtp: a sendmail replacement that sends over submission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

NO_USER, UNAVAILABLE, NO_PERMISSION = 67, 69, 77
GUESSER = "127.0.0.73"
"""Wrong passwords come from here, so that the back-off does not slow the other tests."""


@pytest.fixture(autouse=True)
def _msmtp(need: Callable[[str], None]) -> None:
    need("msmtp")


@pytest.fixture
def msmtp(shell: Any) -> Callable[..., Any]:
    """Writes the configuration of an account and sends a message through it."""

    def send(who: Any, port: int, message: bytes, *recipients: str, password: str = "", **rest: Any) -> Any:
        config = shell.write(
            "msmtprc",
            f"account test\nhost {who.host}\nport {who.port(port)}\ntls on\n"
            f"tls_starttls {'off' if port == 465 else 'on'}\ntls_trust_file {who.ca}\n"
            f"auth {rest.pop('mechanism', 'plain')}\nuser {who.address}\n"
            f"source_ip {GUESSER if password else who.host}\n"
            f'password "{password or who.password}"\nfrom {who.address}\ntimeout 20\n',
        )
        return shell.run("msmtp", "-C", config, "-a", "test", *recipients, stdin=message, **rest)

    return send


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256"])
@pytest.mark.parametrize("port", [587, 465])
def test_sends_what_it_was_given(
    msmtp: Any, person: Any, corpus: dict[str, bytes], port: int, mechanism: str
) -> None:
    alice, bob, carol = person(), person(), person()
    sent = [data.replace(b"zoe@elsewhere.test", alice.address.encode()) for data in corpus.values()]
    for message in sent:
        msmtp(alice, port, message, bob.address, carol.address, mechanism=mechanism)
    for reader in (bob, carol):
        stored = reader.messages()
        assert len(stored) == len(sent)
        for got, message in zip(stored, sent, strict=True):
            assert got.endswith(message)


def test_a_wrong_password_is_told(msmtp: Any, person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    done = msmtp(alice, 465, corpus["plain"], alice.address, password="wrong", ends=(NO_PERMISSION,))
    assert b"535 5.7.8" in done.stderr
    assert alice.messages() == []


def test_an_address_that_does_not_exist_is_told(msmtp: Any, person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    done = msmtp(alice, 587, corpus["plain"], "nobody@orchard.test", ends=(65, NO_USER))
    assert b"nobody@orchard.test" in done.stderr
    assert b"550 5.1.1" in done.stderr


def test_it_reads_the_server_s_information(shell: Any, person: Any) -> None:
    alice = person()
    done = shell.run(
        "msmtp", "--serverinfo", f"--host={alice.host}", f"--port={alice.port(587)}",
        "--tls=on", f"--tls-trust-file={alice.ca}",
    )  # fmt: skip
    told = done.stdout.decode()
    assert "PIPELINING" in told
    assert "SIZE" in told
    assert "mail.orchard.test" in told
