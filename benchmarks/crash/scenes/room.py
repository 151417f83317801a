"""A disk that is full or fails: injected into every kind of write, and for real."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable

from benchmarks.crash import faults
from benchmarks.crash.check import one_line
from benchmarks.crash.harness import AFTER_FAULT, Chain, Harness, chains
from benchmarks.crash.scenes.exchange import DEEDS, Once, _given
from benchmarks.crash.study import TINY

SMALL_MB = (5, 9, 13)
"""A file system of so many megabytes has no room for the first checkpoint, the second round, the last one."""
FILE_BYTES = (300_000, 2_600_000)


def full(harness: Harness, n: int | None) -> None:
    """Each kind of write refused once, and for good, to a run and to the commands that make files."""
    runs, rng = harness.reference(TINY), harness.rng("full")
    items = faults.failures(dict.fromkeys(harness.labels(runs)))
    if n is not None:
        items = rng.sample(items, min(-(-2 * n // 3), len(items)))
    chains(harness, "full", "full disk", TINY, items)
    given, others = _given(harness), []
    for deed in (x for x in DEEDS if n is None or x.name in ("pack", "csv", "unpack")):
        once = Once(harness, deed, given)
        others += [(once, fault) for fault in faults.failures(dict.fromkeys(once.labels))]
    if n is not None:
        others = rng.sample(others, min(n // 3, len(others)))
    for once, fault in others:
        key = f"full/{once.deed.name} {fault}"
        if not harness.tally.done(key):
            once.hit("full disk", key, fault, there=once.deed.replaces)


def disk(harness: Harness, n: int | None) -> None:
    """A file system of a few megabytes, made larger afterwards; and a limit on the size of files."""
    if harness.tally.done("disk/files of 2.6 MB"):
        return
    chain = Chain(harness, "limited", TINY)
    for size in FILE_BYTES if n is None else FILE_BYTES[1:]:
        _refused(chain, f"disk/files of {size / 1e6:g} MB", f"no file of more than {size:,} bytes", preexec_fn=_limit(size))
    chain.over()
    chain = Chain(harness, "mounted", TINY)
    mounted = chain.folder / "runs"
    mounted.mkdir()
    if os.name != "posix" or os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB[0]}m", "lthviz-crash", str(mounted)], capture_output=True).returncode:
        harness.skipped.append("no file system could be mounted here, so the full disk is injected and a limit of file sizes alone")
        return
    try:
        for size in SMALL_MB if n is None else SMALL_MB[1:2]:
            subprocess.run(["mount", "-o", f"remount,size={size}m", str(mounted)], check=True, capture_output=True)
            _refused(chain, f"disk/{size} MB", f"a file system of {size} MB")
        subprocess.run(["mount", "-o", "remount,size=200m", str(mounted)], check=True, capture_output=True)
        chain.over()
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=False, capture_output=True)


def _refused(chain: Chain, key: str, what: str, **options: object) -> None:
    with chain.start(**options) as process:
        done = process.wait()
    wrong = one_line(done.code, done.said, done.err) if done.code else ["there was room"]
    chain.judge("full disk", key, what, done, wrong, AFTER_FAULT)


def _limit(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
