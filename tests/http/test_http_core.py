"""HTTP's octets, however they come: nothing breaks, nothing depends on where they were cut."""

from __future__ import annotations

import itertools

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.http.core import Broken, HttpCore

WHOLE = (
    b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\n\r\n"
    b"POST /d HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    b"PUT /e HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nwxyz"
)


def heard(*pieces: bytes) -> list[tuple[str, bytes]]:
    """Kinds of events with targets and bodies; each request is answered at its end."""
    core, found = HttpCore(), []
    for piece in (*pieces, b""):
        if piece:
            core.receive(piece)
        else:
            core.eof()
        while (event := core.next_event()) is not None:
            if isinstance(event, h11.Request):
                found.append(("request", bytes(event.target)))
            elif isinstance(event, h11.Data):
                found.append(("data", bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                found.append(("end", b""))
                core.send(h11.Response(status_code=204, headers=[]))
                core.send(h11.EndOfMessage())
                if not core.next_request():
                    return found
            else:
                kind = f"broken {event.status}" if isinstance(event, Broken) else "closed"
                found.append((kind, b""))
                core.refuse(400)
                return found
        core.outgoing()
    return found


def joined(found: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Pieces of a body that follow each other are one."""
    out: list[tuple[str, bytes]] = []
    for kind, octets in found:
        if kind == "data" and out and out[-1][0] == "data":
            out[-1] = ("data", out[-1][1] + octets)
        else:
            out.append((kind, octets))
    return out


def test_three_requests() -> None:
    assert joined(heard(WHOLE)) == [
        ("request", b"/a?b=c"),
        ("end", b""),
        ("request", b"/d"),
        ("data", b"abc"),
        ("end", b""),
        ("request", b"/e"),
        ("data", b"wxyz"),
        ("end", b""),
        ("closed", b""),
    ]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_where_it_was_cut_changes_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in itertools.pairwise(places)]
    assert joined(heard(*filter(None, pieces))) == joined(heard(WHOLE))


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(WHOLE)))
def test_junk_breaks_nothing(junk: bytes, place: int) -> None:
    found = heard(WHOLE[:place] + junk + WHOLE[place:])
    assert len(found) < 50
