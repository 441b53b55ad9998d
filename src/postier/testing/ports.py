"""Ports for a server under test that no other test run on this machine uses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["STANDARD_PORTS", "free_port_base"]

STANDARD_PORTS = (25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 4190)

_BASES = [base for base in range(11_000, 28_000, 1000) if base != 20_000]
"""Below the ports that the kernel gives to outgoing connections; 20000 is the demo's own."""


@contextlib.contextmanager
def free_port_base(*addresses: str) -> Iterator[int]:
    """A number to add to the standard ports, so that all of them are free on `addresses`.

    It stays ours until the end of the block: other runs see the lock. Raises RuntimeError if all are taken.
    """
    offset = os.getpid() % len(_BASES)
    for base in _BASES[offset:] + _BASES[:offset]:
        file = Path(tempfile.gettempdir()) / f"postier-test-ports-{base}.lock"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if _lock(descriptor) and all(_is_free(address, base) for address in addresses):
                yield base
                return
        finally:
            os.close(descriptor)
    raise RuntimeError("no free ports for a test server on this machine")


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(address: str, base: int) -> bool:
    for port in STANDARD_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, base + port))
            except OSError:
                return False
    return True
