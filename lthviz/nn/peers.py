"""What the processes of a run know of each other outside of the training: who is still there, and the last word of who is not.

Last words lie in torchrun's own store, which outlives the processes. On Linux a process of the same machine that was killed
is known by its number.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from lthviz.errors import PeerFailed, PeerLost, TrainingError

NOTICE_S = 2.0
"""How long a process that was lost is given to show as gone, or its last word to arrive."""
RESUME = "resume goes on from the last checkpoint"


def meet(store: Any, rank: int, size: int, timeout_s: float) -> str:
    """A word that these processes share and none before them had: torchrun's store keeps what was in it when it starts them again.

    Rank 0 gives it out; who has it from an earlier start is not in its list of who has come, and asks again. TimeoutError.
    """
    mine, end = secrets.token_hex(8), time.monotonic() + timeout_s
    if rank == 0:
        store.set("word", mine)
        come = [mine, *(store.get(f"{mine}/{r}").decode() for r in range(1, size))]   # waits for each
        store.set(f"{mine}/all", json.dumps(come))
        return mine
    while time.monotonic() < end:
        word = store.get("word").decode()
        store.set(f"{word}/{rank}", mine)
        if store.check([f"{word}/all"]) and json.loads(store.get(f"{word}/all"))[rank] == mine:
            return word
        time.sleep(0.02)
    raise TimeoutError("rank 0 has not come")


class Peers:
    """The other processes. store: a torch.distributed Store that all of them reach."""

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self.store, self.rank, self.size, self._heard = store, rank, size, False
        store.set(f"process/{rank}", json.dumps([socket.gethostname(), os.getpid()]))
        found = [json.loads(store.get(f"process/{r}")) for r in range(size)]   # waits for all
        self.beside = {r: pid for r, (host, pid) in enumerate(found) if host == socket.gethostname() and r != rank}

    def missing(self) -> list[int]:
        """Ranks of this machine whose process has ended."""
        return [r for r, pid in self.beside.items() if _ended(pid)]

    def say(self, kind: str, line: str) -> None:
        """The last word of this process. kind: failed, lost (another has ended without a word) or stopped. The first word counts."""
        word = json.dumps({"rank": self.rank, "kind": kind, "line": line})
        try:
            self.store.compare_set("word", "", word)
            self.store.set(f"said/{self.rank}", "1")
            self._heard = True
        except RuntimeError:   # the store went with who kept it
            return

    def word(self) -> dict[str, Any] | None:
        """The first last word; None when nobody said one, or the store is gone as well."""
        try:
            return json.loads(self.store.get("word")) if self.store.check(["word"]) else None
        except RuntimeError:
            return None

    def speaks(self, error: BaseException) -> bool:
        """Whether this process, whose last word is in the store, must also say it aloud: no, as long as rank 0 can.

        For an error of its own rank 0 speaks, once it has noticed that this process has ended. What all notice, the end of
        another, rank 0 says unless it is the one that is gone: then one of the others does.
        """
        end = time.monotonic() + 2 * NOTICE_S
        try:
            while self._heard and isinstance(error, PeerLost) and not self.store.check(["said/0"]):
                if time.monotonic() >= end:
                    return self.store.add("spoken", 1) == 1
                time.sleep(0.05)
        except RuntimeError:   # the first kept the store, and has ended since it heard from us
            return False
        return not self._heard

    def why(self, timeout_s: float) -> BaseException:
        """Why a collective call failed: PeerFailed with the other's line, PeerLost, or KeyboardInterrupt when all were stopped."""
        end = time.monotonic() + NOTICE_S
        while True:
            gone, word = self.missing(), self.word()   # in this order: the last word comes before the end
            if word is not None and word["rank"] != self.rank:
                return _of_word(word)
            if gone or time.monotonic() >= end:
                return self.lost(gone, timeout_s)
            time.sleep(0.05)

    def stopped(self) -> BaseException | None:
        """Why this process was told to stop (SIGTERM): another one has ended. None: it was by hand, as far as can be seen here.

        Who says "stopped" found everybody there: it was told so before us, by whoever tells us now.
        """
        if gone := self.missing():
            word = self.word()
            kind = word["kind"] if word is not None else "lost"
            return None if kind == "stopped" else _of_word(word) if kind == "failed" else self.lost(gone, 0.0)
        return None

    def lost(self, gone: list[int], timeout_s: float) -> TrainingError:
        if gone:
            return PeerLost(f"rank {', '.join(map(str, gone))} of {self.size} has ended without a word (killed, it seems); {RESUME}")
        who = f"rank {1 - self.rank} of 2" if self.size == 2 else f"one of the other {self.size - 1} processes"
        return PeerLost(f"{who} cannot be reached any more, or has not answered within {timeout_s:g} s (LTHVIZ_TIMEOUT); {RESUME}")


def _of_word(word: dict[str, Any]) -> BaseException:
    if word["kind"] == "stopped":
        return KeyboardInterrupt()
    if word["kind"] == "lost":
        return PeerLost(word["line"])
    return PeerFailed(f"rank {word['rank']}: {word['line']}")


def _ended(pid: int) -> bool:
    """Whether that process of this machine is gone or only waits to be buried; False where that cannot be known."""
    if not Path("/proc/self/stat").exists():
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
