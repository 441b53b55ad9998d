"""Listening sockets, bound before privileges are dropped and before the workers are forked.

Each worker gets a socket of its own on the same port (SO_REUSEPORT) and the kernel spreads connections
over them. A port that anybody else has is an error with the port in it, never a silent share.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["BACKLOG", "BindError", "Endpoint", "bind_sockets"]

BACKLOG = 1024
SOCKET_MODE = 0o660
IPV4_ANY = str(ipaddress.IPv4Address(0))


class Endpoint(NamedTuple):
    """Where to listen. `host` is an address or "" for all of them; `port` 0 lets the kernel choose. `path`:
    a Unix socket instead, for the owner and the group of this process."""

    name: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host or "*"
        return f"{host}:{self.port}"


class BindError(Exception):
    """A port that cannot be had; the message is one line for the administrator."""


def bind_sockets(endpoints: Sequence[Endpoint], workers: int = 1) -> list[dict[Endpoint, socket.socket]]:
    """One set of listening sockets for each worker; the keys are `endpoints` as given.

    Raises BindError "cannot listen on 127.0.0.1:25: address already in use"; then none is left open.
    """
    sets: list[dict[Endpoint, socket.socket]] = [{} for _ in range(workers)]
    wildcards = {endpoint.port for endpoint in endpoints if endpoint.host == IPV4_ANY}
    try:
        for endpoint in endpoints:
            if endpoint.path:
                bound = _bind_path(endpoint)
                for own in sets:
                    own[endpoint] = bound.dup()  # one queue of the kernel, from which each worker takes
                bound.close()
                continue
            _bind_alone(endpoint, endpoint.port in wildcards).close()
            target = endpoint
            for own in sets:
                own[endpoint] = _bind(target, endpoint.port in wildcards, shared=True)
                target = endpoint._replace(port=own[endpoint].getsockname()[1])
    except BindError:
        for own in sets:
            for bound in own.values():
                bound.close()
        raise
    return sets


def _bind_alone(endpoint: Endpoint, v6_only: bool) -> socket.socket:
    """Without SO_REUSEPORT first: another server that uses it as well must not share the port with us."""
    return _bind(endpoint, v6_only, shared=False)


def _bind(endpoint: Endpoint, v6_only: bool, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host or not endpoint.host else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _bind_error(endpoint, error) from error
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
        bound.bind((endpoint.host or "::", endpoint.port))
        if shared:
            bound.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        bound.close()
        raise _bind_error(endpoint, error) from error
    return bound


def _bind_path(endpoint: Endpoint) -> socket.socket:
    """What a server that is gone left behind is taken away; nothing else is."""
    path = endpoint.path
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~SOCKET_MODE)
    try:
        _remove_stale(path)
        bound.setblocking(False)
        bound.bind(path)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _bind_error(endpoint, error) from error
    finally:
        os.umask(mask)
    return bound


def _remove_stale(path: str) -> None:
    """Raises OSError if something else is there, or somebody listens."""
    try:
        if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(1.0)
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind_error(endpoint: Endpoint, error: Exception) -> BindError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return BindError(f"cannot listen on {endpoint}: {why[:1].lower()}{why[1:]}")
