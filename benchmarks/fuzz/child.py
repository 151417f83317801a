"""The process that reads: limited as the app's children are, it takes many inputs, and says what it is at in memory that outlives it.

    python -m benchmarks.fuzz.child TARGET[,TARGET …] FOLDER SEED SECONDS INPUTS GUIDED
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import mmap
import os
import random
import resource
import struct
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

DATA_MB, PEAK_MB, STACK_FRAMES = 3000, 700, 3
"""Megabytes of data that the process may have, and by which one input may raise what it has ever had."""
NOW = 1 << 23
"""Bytes of the memory in which an input lies while it is read, with HEAD before it: the number of the target, inputs so far, whether one is being read, CPU nanoseconds at its begin, its length."""
HEAD = struct.Struct("<QQQQQ")
INSTRUMENTED = ("lthviz", "tomllib", "zipfile", "safetensors")
"""Packages in which new lines count. Of torch only what reads pickles: the whole of it takes minutes."""
_WRITES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree", "os.chmod"}
_RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "pickle.find_class", "os.fork", "ctypes.dlopen"}


class Watch:
    """What Python does while an input is read that it may not: write outside of the folder, begin a program, unpickle, connect."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.on, self.seen = str(folder.resolve()), False, ""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or self.seen:
            return
        if event in _RUNS:
            self.seen = f"{event} {args[:2]!r}"[:200]
        elif event == "open":
            path, _, flags = args
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and isinstance(path, str | bytes) and not self._inside(os.fsdecode(path)):
                self.seen = f"opens {path!r} to write"
        elif event in _WRITES and isinstance(args[0], str | bytes | os.PathLike) and not self._inside(os.fsdecode(args[0])):
            self.seen = f"{event} {args[0]!r}"

    def _inside(self, path: str) -> bool:
        return path == os.devnull or os.path.realpath(path).startswith(self.folder)


class Outside:
    """Whether a folder that hostile files point to was looked into, also by native code: inotify, where it is there."""

    def __init__(self, folder: str) -> None:
        import ctypes

        Path(folder).mkdir(exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self._fd, folder.encode(), 0x20 | 0x100 | 0x2 | 0x1)     # opened, made, changed, read

    def touched(self) -> bool:
        try:
            return bool(os.read(self._fd, 4096))
        except BlockingIOError:
            return False


class Judge:
    """Gives inputs to a reader and keeps what is wrong: a file each, with the line that it was told by."""

    def __init__(self, name: str, folder: Path, watch: Watch, outside: Outside, number: int = 0) -> None:
        """number: of the target among several."""
        from benchmarks.fuzz.targets import TARGETS

        self.folder, self.scratch, self.number = folder, folder / f"scratch-{name}", number
        self.scratch.mkdir(exist_ok=True)
        self.target = TARGETS[name]
        self.read = self.target.open(self.scratch)
        self.seeds = self.target.seeds()
        self.watch, self.outside = watch, outside
        self.known: set[str] = set()
        self.count = 0
        with open(folder / "now", "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 0)
        for seed in self.seeds:      # what a first reading imports and compiles is no input's doing; what it raises is judged when they are read as inputs
            with contextlib.suppress(Exception):
                self.read(seed)
        self.outside.touched()
        self.peak = _peak_mb()
        _limit()

    def __call__(self, data: bytes) -> None:
        data = data[:NOW - HEAD.size]
        self.memory[HEAD.size:HEAD.size + len(data)] = data
        HEAD.pack_into(self.memory, 0, self.number, self.count, 1, time.process_time_ns(), len(data))
        key, why = self.wrong(data)
        self.count += 1
        if key and key not in self.known:
            self.known.add(key)
            self._keep(key, why, self._smaller(data, key))
        HEAD.pack_into(self.memory, 0, self.number, self.count, 0, 0, 0)

    def wrong(self, data: bytes) -> tuple[str, str]:
        """What is wrong with how an input was read, as a short key and as text; '' where nothing is."""
        from lthviz.errors import LthvizError

        self.watch.seen, self.watch.on = "", True
        key = why = ""
        try:
            for line in self.read(data) or ():
                if not line.isprintable():
                    key, why = "a sentence that moves the cursor", ascii(line)[:500]
        except LthvizError as e:
            line = str(e)
            if not line.isprintable() or len(line) > 4000:
                key, why = f"an error of several lines or with control characters: {_where(e)}", ascii(line)[:500]
        except BaseException as e:
            key, why = f"{type(e).__name__}: {_where(e)}", "".join(traceback.format_exception(e))[-4000:]
        finally:
            self.watch.on = False
        if self.watch.seen:
            key, why = f"does what it may not: {self.watch.seen.split(' ')[0]}", self.watch.seen
        if self.outside.touched():
            key, why = "opens what a file points to", "inotify"
        before, self.peak = self.peak, _peak_mb()
        if (more := self.peak - before) > PEAK_MB:
            key, why = "memory", f"{more:,.0f} MB more for {len(data):,} bytes"
        return key, why

    def _smaller(self, data: bytes, key: str) -> bytes:
        """The same finding from fewer bytes, as far as a second of trying gets."""
        until, size = time.monotonic() + 1.0, max(1, len(data) // 2)
        while size and key != "memory":
            at = 0
            while at < len(data):
                if time.monotonic() > until:
                    return data
                less = data[:at] + data[at + size:]
                if self.wrong(less)[0] == key:
                    data = less
                else:
                    at += size
            size //= 2
        return data

    def _keep(self, key: str, why: str, data: bytes) -> None:
        keep(self.folder / "findings", self.target.name, key, why, data)


def keep(folder: Path, name: str, key: str, why: str, data: bytes) -> None:
    """A finding as two files: the input, and what it does."""
    folder.mkdir(exist_ok=True)
    stem = f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    (folder / f"{stem}.input").write_bytes(data)
    (folder / f"{stem}.txt").write_text(f"{key}\n\n{why}\n", errors="backslashreplace")


def _where(e: BaseException) -> str:
    """The last places of ours, and the last of all, at which an exception passed."""
    frames = traceback.extract_tb(e.__traceback__)
    ours = [f for f in frames if "/lthviz/" in f.filename and "/benchmarks/" not in f.filename]
    return " < ".join(dict.fromkeys(f"{Path(f.filename).name}:{f.name}" for f in reversed([*ours[-STACK_FRAMES + 1:], *frames[-1:]])))


def _peak_mb() -> float:
    """The most that this process has had in memory. Not `ru_maxrss`, which begins with that of whoever started it."""
    with open("/proc/self/status", "rb", 0) as f:
        data = f.read(2048)
    at = data.index(b"VmHWM:") + 6
    return int(data[at:data.index(b"kB", at)]) / 1000


def _limit() -> None:
    for what, bytes_ in ((resource.RLIMIT_DATA, DATA_MB * 1_000_000), (resource.RLIMIT_FSIZE, 200_000_000), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (bytes_, resource.getrlimit(what)[1]))


def main() -> None:
    names, folder, seed, seconds, inputs, guided = sys.argv[1].split(","), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]), sys.argv[6] == "1"
    from benchmarks.fuzz import hostile
    from lthviz import processes

    processes.end_with_parent()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    watch, outside = Watch(folder), Outside(hostile.OUTSIDE)
    if guided:
        import atheris

        with atheris.instrument_imports(include=list(INSTRUMENTED)):
            judge = Judge(names[0], folder, watch, outside)
        if unpickler := sys.modules.get("torch._weights_only_unpickler"):
            unpickler.Unpickler.load = atheris.instrument_func(unpickler.Unpickler.load)
        _guided(atheris, judge, seed, seconds, inputs)
    else:
        for i, name in enumerate(names):
            _blind(Judge(name, folder, watch, outside, i), seed + i, seconds, inputs)


def _blind(judge: Judge, seed: int, seconds: float, inputs: int) -> None:
    """Every input is a real file, changed a few times over."""
    rng, until = random.Random(seed), time.monotonic() + seconds
    for data in judge.seeds:
        judge(data)
    while judge.count < inputs and time.monotonic() < until:
        data = rng.choice(judge.seeds)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = judge.target.change(rng, data)[:1 << 20]
        judge(data)


def _guided(atheris: Any, judge: Judge, seed: int, seconds: float, inputs: int) -> None:
    """What reached new lines is changed further: libFuzzer keeps and chooses inputs, the target's own changes make them."""
    from benchmarks.fuzz import formats

    corpus = judge.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for i, data in enumerate(judge.seeds):
        (corpus / f"seed-{i}").write_bytes(data)

    def change(data: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.1:
            return atheris.Mutate(data, most)
        try:
            return judge.target.change(rng, data)[:most]
        except formats.BROKEN:      # an input of many changes is no longer of its format; on real files every change works, or the blind form ends with its error
            return atheris.Mutate(data, most)

    until = time.monotonic() + seconds

    def one(data: bytes) -> None:
        judge(data)
        if judge.count >= inputs or time.monotonic() > until:
            os._exit(0)      # libFuzzer has no word for "enough", but for the number of its own runs

    options = ("max_len=1048576", "timeout=1000000", "rss_limit_mb=0", "malloc_limit_mb=0", "handle_segv=0", "handle_bus=0", "handle_abrt=0", "handle_fpe=0", "handle_ill=0", "handle_int=0", "handle_term=0",
               "handle_xfsz=0", "print_final_stats=0", "verbosity=0", "detect_leaks=0", f"seed={seed}")
    atheris.Setup([sys.argv[0], *(f"-{o}" for o in options), str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
