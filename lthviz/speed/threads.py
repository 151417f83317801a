"""Threads that wait for work between two runs of a program: awake for a moment, in which the next one may come, then asleep."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable

import numpy as np

MOST = 1024
ORDERS = np.zeros((MOST, 8), np.int64)
"""The number of the last order given to each thread, a cache line each: what an awake one looks at (kernel.run)."""

log = logging.getLogger(__name__)
_waiting: list[queue.SimpleQueue] = []
_lock = threading.Lock()


def together(count: int, work: Callable[[int, int], None]) -> None:
    """Call work(0, 0) here and work(i, its order's number), i = 1 … count - 1, on other threads; returns when work(0, 0) has.

    For work that is divided by a counter: one that comes too late finds nothing left to do.
    """
    _grow(count - 1)
    with _lock:   # two callers must not give one thread the same number
        for i in range(1, count):
            ORDERS[i, 0] += 1
            _waiting[i - 1].put((work, i, int(ORDERS[i, 0])))
    work(0, 0)


def _grow(count: int) -> None:
    with _lock:
        while len(_waiting) < count:
            orders: queue.SimpleQueue = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(orders,), daemon=True, name=f"lthviz-{len(_waiting) + 1}").start()
            _waiting.append(orders)


def _serve(orders: queue.SimpleQueue) -> None:
    while True:
        work, i, order = orders.get()
        try:
            work(i, order)
        except Exception:   # its tasks are done by the others; the thread must be there for the next work
            log.exception("a thread of the block kernel failed")
        del work


def _after_fork() -> None:
    """The child has none of the parent's threads."""
    global _lock
    _waiting.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
