"""The bus between the workers of one host: a Unix datagram socket for each, in one folder.

Topics published in one turn of the event loop go out together, one datagram to each peer. A peer whose queue
is full gets what it missed a moment later, the newest number of each topic; one that is gone is forgotten.

    datagram: pairs of signed 64-bit numbers, topic and number, network byte order
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from postier.base.log import Log
from postier.bus.memory import Subscribers, Subscription

__all__ = ["LocalBus"]

_PAIR = struct.Struct("!qq")
_PAIRS = 2000
"""Pairs in one datagram: 32 kB, far below what a socket takes."""
_DATAGRAMS = 64
"""Read in one turn of the loop."""
_RETRY = 0.005
_MTIME_STEP = 50_000_000
"""Nanoseconds within which two changes of a folder may carry the same time."""
_SUFFIX = ".bus"

_log = Log("bus")


class _Peer:
    """Another worker's socket. `missed`: what it could not take yet."""

    __slots__ = ("address", "inode", "missed", "path")

    def __init__(self, path: Path, address: str) -> None:
        self.path = path
        self.address = address
        self.inode = path.stat().st_ino
        self.missed: dict[int, int] = {}


class LocalBus:
    """Made on the event loop its subscribers run on; `publish` may come from any thread."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is this worker's alone; a socket that an earlier worker of that name left is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._folder = folder
        self._folder_descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._own_path = folder / (name + _SUFFIX)
        self._own_path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self._address(self._own_path))
        self._subscribers = Subscribers()
        self._pending: dict[int, int] = {}
        self._peers: dict[str, _Peer] = {}
        self._scanned = 0
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(self._socket.fileno(), self._receive)

    def _address(self, path: Path) -> str:
        """Names of sockets are limited to 107 bytes, paths are not: go by way of the folder's descriptor."""
        return f"/proc/self/fd/{self._folder_descriptor}/{path.name}"

    def subscribe(self, topic: int, call: Callable[[int], None]) -> Subscription:
        return self._subscribers.add(topic, call)

    def publish(self, topic: int, number: int) -> None:
        if threading.get_ident() == self._thread:
            self._note(topic, number)
            return
        try:
            self._loop.call_soon_threadsafe(self._note, topic, number)
        except RuntimeError:
            pass  # the loop has ended, and with it every subscriber

    def _note(self, topic: int, number: int) -> None:
        if self._closed:
            return
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending[topic] = max(number, self._pending.get(topic, number))

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        if self._closed:
            return
        self._find_peers()
        for peer in list(self._peers.values()):
            self._send(peer, pending)
        for topic, number in pending.items():
            self._subscribers.tell(topic, number)

    def _find_peers(self) -> None:
        """Look into the folder where it changed since the last look."""
        changed = os.stat(self._folder_descriptor).st_mtime_ns
        if changed == self._scanned:
            return
        settled = time.time_ns() - changed > _MTIME_STEP
        self._scanned = changed if settled else 0
        found = {}
        for path in self._folder.glob("*" + _SUFFIX):
            if path != self._own_path:
                try:
                    peer = _Peer(path, self._address(path))
                except FileNotFoundError:
                    continue  # it ended while we looked
                known = self._peers.get(path.name)
                found[path.name] = known if known is not None and known.inode == peer.inode else peer
        self._peers = found

    def _send(self, peer: _Peer, news: dict[int, int]) -> None:
        pairs = list((peer.missed | news).items())
        peer.missed = {}
        for start in range(0, len(pairs), _PAIRS):
            data = b"".join(_PAIR.pack(*pair) for pair in pairs[start : start + _PAIRS])
            try:
                self._socket.sendto(data, peer.address)
            except BlockingIOError:
                peer.missed = dict(pairs[start:])
                self._retry = self._retry or self._loop.call_later(_RETRY, self._send_missed)
                return
            except (ConnectionRefusedError, FileNotFoundError):
                self._bury(peer)
                return
            except OSError as error:
                _log.warning("cannot tell a worker", peer=peer.path.name, error=error)
                return

    def _send_missed(self) -> None:
        self._retry = None
        for peer in list(self._peers.values()):
            if peer.missed:
                self._send(peer, {})

    def _bury(self, peer: _Peer) -> None:
        """Its worker is gone; the file may be a new worker's by now."""
        self._peers.pop(peer.path.name, None)
        try:
            if peer.path.stat().st_ino == peer.inode:
                peer.path.unlink()
        except FileNotFoundError:
            pass  # somebody else was faster

    def _receive(self) -> None:
        news: dict[int, int] = {}
        for _ in range(_DATAGRAMS):
            try:
                data = self._socket.recv(_PAIRS * _PAIR.size)
            except BlockingIOError:
                break
            for topic, number in _PAIR.iter_unpack(data[: len(data) // _PAIR.size * _PAIR.size]):
                news[topic] = max(number, news.get(topic, number))
        for topic, number in news.items():
            self._subscribers.tell(topic, number)

    def close(self) -> None:
        """What was published before is sent first. May be called more than once."""
        if self._closed:
            return
        if self._pending:
            self._flush()
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._own_path.unlink(missing_ok=True)
        os.close(self._folder_descriptor)
