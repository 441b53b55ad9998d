"""What the readers of the network's own bytes are thrown at, and what must hold (see fuzz_targets)."""

from __future__ import annotations

from postier.net.client_hello import HelloError, missing, parse

__all__ = ["NET_TARGETS"]

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def _missing(data: bytes) -> int:
    """-1 for what can't become a hello."""
    try:
        return missing(data)
    except HelloError:
        return -1


def client_hello(data: bytes) -> None:
    """Whether a hello is whole depends on its octets alone, and what it says is as promised."""
    wanted = _missing(data)
    for cut in {len(data) // 3, len(data) // 2, max(len(data) - 1, 0)}:
        before = _missing(data[:cut])
        if before <= 0:
            assert wanted == before, "what is whole, or hopeless, stays so"
        elif wanted == 0:
            assert _missing(data[: cut + before - 1]) > 0, "no more was asked for than must come"
    if wanted:
        return
    try:
        hello = parse(data)
    except HelloError:
        return
    assert len(hello.server_name) <= 253
    assert _NAME.issuperset(hello.server_name)
    assert all(0 <= len(protocol) <= 255 for protocol in hello.protocols)
    assert hello == parse(data + b"behind it")


NET_TARGETS = {"client_hello": client_hello}
