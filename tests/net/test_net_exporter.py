"""Keying material that TLS exports: the same on both sides, another for each connection."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from postier.net import exporter
from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.exporter import export, has_extended_master_secret

LABEL = b"EXPORTER-Channel-Binding"


def shake_hands(folder: Path, version: ssl.TLSVersion) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    leaf = issue_certificate(make_ca("x"), ["mail.example"], [])
    write_key_pair(leaf, folder / "cert.pem", folder / "key.pem")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    ours.minimum_version = ours.maximum_version = version
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname, theirs.verify_mode = False, ssl.CERT_NONE
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(one, other, server_side=True)
    client = theirs.wrap_bio(other, one)
    assert export(server, LABEL, 32) == b"", "before the handshake"
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return server, client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_sides_have_the_same(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """RFC 5705 4."""
    server, client = shake_hands(tmp_path, version)
    data = export(server, LABEL, 32)
    assert len(data) == 32
    assert export(client, LABEL, 32) == data
    assert export(server, b"EXPERIMENTAL other", 32) != data
    assert export(shake_hands(tmp_path, version)[0], LABEL, 32) != data
    assert has_extended_master_secret(server) == (version is ssl.TLSVersion.TLSv1_2)


def test_what_is_laid_out_otherwise_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = shake_hands(tmp_path, ssl.TLSVersion.TLSv1_3)
    other: Any = SimpleNamespace(_sslobj=object(), version=server.version)
    assert export(other, LABEL, 32) == b""
    moved: Any = SimpleNamespace(_sslobj=Imposter(), version=server.version)
    assert export(moved, LABEL, 32) == b""
    assert not has_extended_master_secret(moved)
    monkeypatch.setattr(exporter, "_library", lambda: None)
    assert export(server, LABEL, 32) == b""


class Imposter:
    """As large as the real one, with other fields."""

    __slots__ = tuple("abcdefghijkl")

    @property
    def context(self) -> object:
        return self
