"""What was done and what came of it, written to a file after every kill, so that a run of the harness that is cut goes on where it was."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KINDS = ("moment", "stage", "write", "worker", "server", "rank", "ray", "sweep", "bench", "exchange", "words", "full disk")


class Tally:
    """kills: of every kind, with what was found wrong. file: where it is kept."""

    def __init__(self, seed: int, file: Path | None = None, *, verbose: bool = False) -> None:
        self.seed, self.file, self.verbose, self.began, self.before = seed, file, verbose, time.monotonic(), 0.0
        self.kills: list[dict[str, Any]] = []
        self.chains: list[dict[str, Any]] = []
        self.flushes: list[str] = []
        if file and file.exists():
            value = json.loads(file.read_text())
            if value["seed"] == seed:
                self.kills, self.chains, self.before = [x for x in value["kills"] if x["equal"] is not None], value["chains"], value["seconds"]

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.began

    def done(self, key: str) -> bool:
        """Whether that kill was made, by an earlier start of the harness as well."""
        return any(x["key"] == key for x in self.kills)

    def kill(self, kind: str, key: str, what: str, wrong: Sequence[str], *, lost: int = 0, damaged: int = 0) -> None:
        """One kill or fault. key: names it among all; what: for people; wrong: what does not hold after it."""
        self.kills.append({"key": key, "kind": kind, "what": what, "wrong": list(wrong), "lost": lost, "damaged": damaged, "equal": None, "at": round(self.seconds, 1)})
        self._tell(key, what, wrong)
        self.keep()

    def end(self, keys: Sequence[str], name: str, wrong: Sequence[str]) -> None:
        """The process that was killed so often has come to its end, with these differences from one that was not."""
        for x in self.kills:
            if x["key"] in keys:
                x["equal"] = not wrong
        self.chains.append({"name": name, "kills": len(keys), "wrong": list(wrong)})
        self._tell(name, f"to its end after {len(keys)}", wrong)
        self.keep()

    def _tell(self, key: str, what: str, wrong: Sequence[str]) -> None:
        if self.verbose or wrong:
            print(f"{self.seconds / 60:5.1f} min  {len(self.kills):3d}  {key}: {what}{': ' if wrong else ''}{'; '.join(wrong)[:1500]}", flush=True)

    def keep(self) -> None:
        if self.file:
            aside = self.file.with_name(f".{self.file.name}.aside")
            aside.write_text(json.dumps({"seed": self.seed, "seconds": round(self.seconds, 1), "line": self.line(), "kills": self.kills, "chains": self.chains, "flushes": self.flushes}, indent=1))
            aside.replace(self.file)

    @property
    def failed(self) -> bool:
        return any(x["wrong"] or x["equal"] is False for x in self.kills) or any(x["wrong"] for x in self.chains) or bool(self.flushes)

    def line(self, skipped: Sequence[str] = ()) -> str:
        kinds = Counter(x["kind"] for x in self.kills)
        each = ", ".join(f"{k} {kinds[k]}" for k in KINDS if kinds[k])
        equal, wrong = sum(x["equal"] is True for x in self.kills), sum(bool(x["wrong"]) for x in self.kills)
        more = f", {wrong} not as promised" * bool(wrong) + "".join(f"; {x}" for x in skipped)
        return (f"crash: {len(self.kills)} kills ({each}): {sum(x['lost'] for x in self.kills)} lost rounds, {sum(x['damaged'] for x in self.kills)} damaged stores, "
                f"{equal} resumed equal{more} (seed {self.seed}, {self.seconds / 60:.0f} min)")
