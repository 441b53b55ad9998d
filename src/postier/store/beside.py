"""A thread beside the event loop, for what waits on a disk or on another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Beside"]

Result = TypeVar("Result")
_Call = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Beside:
    """Calls run one after another. Half the overhead of an executor, and each future is the loop's own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """What `call` returns or raises, once its turn came."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self._calls.put((call, future))
        return future

    def stop(self) -> None:
        """After the calls that wait; blocks until the thread has ended."""
        self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            try:
                outcome: tuple[Any, BaseException | None] = (call(), None)
            except BaseException as error:  # comes out where the future is awaited
                outcome = (None, error)
            try:
                self._loop.call_soon_threadsafe(_resolve, future, *outcome)
            except RuntimeError:
                return  # the loop has ended: nobody waits any more


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
