"""Faults in file operations, from outside of what is tested: Python imports this module in every process whose PYTHONPATH names its folder.

It wraps the operations of `os` that change files below $LTHVIZ_CRASH_ROOT, gives each a label (operation and kind of file, such as
`replace run/checkpoint.h5`) and

- with LTHVIZ_CRASH_COUNT=FILE appends the labels to FILE, a line each;
- with LTHVIZ_CRASH_AT=LABEL, LTHVIZ_CRASH_NTH=n and LTHVIZ_CRASH_HOW at the n-th operation of that label in a process: `kill` ends the process before it, `half`
  after half of the bytes, `after` behind it, all by SIGKILL; the name of an error (ENOSPC, EIO, EDQUOT …) makes it fail so once, `always-ENOSPC`
  all that need room from then on. LTHVIZ_CRASH_FIRED=FILE is made in that moment; where it is there, nothing is done any more, except for `always`.

LTHVIZ_CRASH_CHECKPOINT_S sets `lthviz.driving.CHECKPOINT_S`, so that trainings of seconds have checkpoints in their middle.
"""

import errno
import os
import re
import sys

_ROOT = os.environ.get("LTHVIZ_CRASH_ROOT", "")
_COUNT, _AT, _HOW, _FIRED = (os.environ.get(f"LTHVIZ_CRASH_{x}", "") for x in ("COUNT", "AT", "HOW", "FIRED"))
_LEFT = [int(os.environ.get("LTHVIZ_CRASH_NTH", "1"))]
_ASIDE = re.compile(r"^\.(.+)\.\d+-[0-9a-f]+\.[0-9a-f]+\.tmp$")
_RUN = re.compile(r"^[A-Za-z0-9_]+-[a-z0-9-]+-[0-9a-f]{8}$")
_SPACE = {"open", "write", "fsync", "mkdir"}
_REAL = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "rename", "link", "unlink", "remove", "rmdir", "mkdir", "ftruncate", "close", "kill")}
_full = [_HOW.startswith("always-") and bool(_FIRED) and os.path.exists(_FIRED)]


def _part(name):
    if aside := _ASIDE.match(name):
        name = aside[1]
    for mark in (".new-", ".deleted-"):
        if name.startswith(mark):
            return mark[1:-1]
    name = "run" if _RUN.match(name.partition("~")[0]) else name
    name = re.sub(r"\.\d+-[0-9a-f]+\.(new|old)$", r".\1", name)
    if name.endswith((".h5", ".request", ".lock")) or "-cpu-" in name:
        name = re.sub(r"^[0-9]{3,}\S*\.", "*.", name)
    return name


def _kind(path):
    parts = os.path.relpath(path, _ROOT).split(os.sep)
    parts = parts[1:] if parts[0] == "runs" and len(parts) > 1 else parts
    parts = [_part(x) for x in parts]
    if len(parts) > 1 and parts[-2].endswith(".new") and not parts[-1].startswith("."):
        parts[-1] = "*"     # any file of a folder that is being filled
    return "/".join(parts)


def _inside(path, folder=None):
    """The whole path where it is below the root, else ''."""
    try:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if folder is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    except (OSError, TypeError, ValueError):
        return ""
    path = os.path.abspath(path)
    return path if path.startswith(_ROOT + os.sep) else ""


def _end():
    _REAL["kill"](os.getpid(), 9)


def _note(file, line):
    fd = _REAL["open"](file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    _REAL["write"](fd, line.encode())
    _REAL["close"](fd)


def _fault(op, label):
    """'' or what is to happen to this operation."""
    if _COUNT:
        _note(_COUNT, f"{os.getpid()}\t{label}\n")
    if _full[0]:
        return _HOW.removeprefix("always-") if op in _SPACE and not _heals() else ""
    if label != _AT:
        return ""
    _LEFT[0] -= 1
    if _LEFT[0] or os.path.exists(_FIRED):
        return ""
    _note(_FIRED, f"{os.getpid()} {label}\n")
    if _HOW.startswith("always-"):
        _full[0] = True
        return _HOW.removeprefix("always-")
    return _HOW


def _heals():
    return not os.path.exists(_FIRED)


def _error(how, path):
    code = getattr(errno, how)
    return OSError(code, os.strerror(code), path)


def _wrap(op):
    real = _REAL[op]

    def act(*args, **named):
        at = args[1] if op in ("replace", "rename", "link") and len(args) > 1 else args[0] if args else named.get("path")
        if op == "open" and not (args[1] if len(args) > 1 else named.get("flags", 0)) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return real(*args, **named)
        if not (path := _inside(at, named.get("dir_fd"))):
            return real(*args, **named)
        label = f"{op} {_kind(path)}"
        if op == "write" and path.endswith("events.jsonl"):
            data = bytes(args[1][:80])
            label += " " + (re.match(rb'\{"event":"(\w+)"', data) or [b"", b"rest"])[1].decode()
        how = _fault("unlink" if op == "remove" else op, label)
        if not how:
            return real(*args, **named)
        if how == "kill":
            _end()
        if op == "write" and how != "after":
            real(args[0], bytes(args[1])[:len(args[1]) // 2])
        if how == "half":
            _end()
        if how == "after":
            try:
                real(*args, **named)
            finally:
                _end()
        raise _error(how, path)

    act.__name__, act.__wrapped__ = op, real
    return act


def _wrap_open(real):
    def opening(file, mode="r", *args, **named):
        if set(mode) & set("wax+") and not isinstance(file, int) and (path := _inside(file)):
            how = _fault("open", f"fopen {_kind(path)}")
            if how in ("kill", "half"):
                _end()
            if how == "after":
                real(file, mode, *args, **named)
                _end()
            if how:
                raise _error(how, path)
        return real(file, mode, *args, **named)
    return opening


def _install():
    import builtins
    import io

    for op in ("open", "write", "fsync", "replace", "rename", "link", "unlink", "remove", "rmdir", "mkdir", "ftruncate"):
        made = _wrap(op)
        for known in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if _REAL[op] in known:     # shutil asks, and would else remove folders in another way
                known.add(made)
        setattr(os, op, made)
    builtins.open = io.open = _wrap_open(builtins.open)


def _earlier_checkpoints(seconds):
    import importlib.abc
    import importlib.util

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name != "lthviz.driving":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            run = spec.loader.exec_module

            def execute(module):
                run(module)
                module.CHECKPOINT_S = seconds
            spec.loader.exec_module = execute
            return spec

    sys.meta_path.insert(0, Finder())


if _ROOT:
    _ROOT = os.path.realpath(_ROOT)
    if _COUNT or _AT:
        _install()
    if os.environ.get("LTHVIZ_CRASH_CHECKPOINT_S"):
        _earlier_checkpoints(float(os.environ["LTHVIZ_CRASH_CHECKPOINT_S"]))
