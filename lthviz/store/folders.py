"""Which runs there are: folders with a config.json, below a root and beside it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lthviz
from lthviz.config import RunConfig
from lthviz.errors import AddressError, ConfigError, DamagedError, StoreError, did_you_mean
from lthviz.store import about, aside, files, log, timings

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,199}")


def valid(run_id: object) -> bool:
    """Whether that can be a run's id, and so the name of a folder: no separators, no dot first."""
    return isinstance(run_id, str) and _ID.fullmatch(run_id) is not None


class Head(NamedTuple):
    """What config.json says of a run."""

    config: RunConfig
    created: float
    preset: str
    title: str

    def to_dict(self) -> dict[str, Any]:
        """What config.json says, without its format."""
        return {"id": self.config.run_id, "created": self.created, "preset": self.preset, "title": self.title, "config": self.config.to_dict()}

    @staticmethod
    def from_dict(value: Mapping[str, Any], file: Path, run_id: str) -> Head:
        """The inverse of what `sealed.read` gives, checked; StoreError names `file`, in which it stands. run_id: the run that it should be of."""
        for key, kind in (("format", int), ("id", str), ("created", (int, float)), ("config", dict)):
            if not isinstance(value.get(key), kind):
                raise DamagedError(f"{file} is damaged: {key!r} is missing or of the wrong type")
        made_by = str(value.get("lthviz", "?"))
        if value["id"] != run_id:
            raise DamagedError(f"{file} belongs to run {value['id']!r}; rename the folder to that")
        try:
            config = RunConfig.from_dict(value["config"])
        except ConfigError as e:
            raise StoreError(f"{file}: {e} (written by lthviz {made_by}; this is {files.version()})") from None
        return Head(config, value["created"], about.one_line(str(value.get("preset", ""))), about.one_line(str(value.get("title", ""))))


@functools.cache
def _shipped() -> Path:
    """Where this checkout of lthviz keeps its examples. Asked at every look at the store, so links are followed once."""
    return Path(lthviz.__file__).resolve().parent.parent / "data" / "examples"


def _examples(root: Path) -> Path | None:
    """`examples` beside the runs, else what $LTHVIZ_EXAMPLES names ('': none), else the runs that this checkout of lthviz came with."""
    named = os.environ.get("LTHVIZ_EXAMPLES")
    places = (root.parent / "examples", *([Path(named).absolute()] if named else []), *([_shipped()] if named is None else []))
    return next((place for place in places if place.is_dir()), None)


def _ghost(path: Path) -> bool:
    """Whether that is a folder with neither settings nor results of a run."""
    return path.is_dir() and not path.is_symlink() and not any((path / name).exists() for name in ("config.json", "layers.json")) \
        and not next(path.rglob("*.h5"), None)


def deleted(run_id: str) -> str:
    """A name for the folder of a run that is being removed."""
    return f".deleted-{run_id}-{time.time_ns():x}~{aside.MARK}"


class Folders:
    """The folders of the user's own runs and of the read-only examples, by id; an own run hides an example of its id."""

    def __init__(self, root: Path | str | None = None, examples: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("LTHVIZ_RUNS") or Path("data") / "runs").absolute()
        self.examples = Path(examples).absolute() if examples is not None else _examples(self.root)

    def begin(self, config: RunConfig, *, preset: str = "", title: str = "") -> str:
        """Makes the run's folder, queued; its id. A run of the same id is left as it is."""
        run_id = config.run_id
        if not self.taken(run_id):
            with self.new_folder(run_id) as folder:
                files.write_json(folder / "config.json", Head(config, time.time(), preset, about.one_line(title)).to_dict())
                log.append(folder, log.line("state", state="queued", message=""))
        return run_id

    @contextlib.contextmanager
    def new_folder(self, run_id: str) -> Iterator[Path]:
        """A folder to fill, renamed at the end: a run is there with its config.json or not at all. The first to come wins."""
        final = self.root / run_id
        for left in (*self.root.glob(".new-*"), *self.root.glob(".deleted-*")):
            if aside.gone(left.name.rpartition("~")[2], left):
                shutil.rmtree(left, ignore_errors=True)
        made = self.root / f".new-{run_id}-{time.time_ns():x}~{aside.MARK}"
        with files.failing(final):
            (made / "rounds").mkdir(parents=True)
        try:
            yield made
            with files.failing(final):
                self.clear_ghost(run_id)
                try:
                    os.rename(made, final)
                except OSError:
                    if not self.taken(run_id):
                        raise
                files.sync_folder(self.root)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def taken(self, run_id: str) -> bool:
        """Whether the user's own folder of that id is there, with something of a run in it."""
        path = self.root / run_id
        return path.exists() and not _ghost(path)

    def clear_ghost(self, run_id: str) -> None:
        """Removes a folder of that id that has nothing of a run: what a process left that wrote in it when the run had just been moved."""
        path = self.root / run_id
        if _ghost(path):
            gone = self.root / deleted(run_id)
            with contextlib.suppress(FileNotFoundError):   # somebody else has just cleared it
                os.rename(path, gone)
                files.remove_folder(gone)

    def runs(self) -> list[str]:
        """Ids of the readable runs, newest first, the examples behind the user's own."""
        return self._listed()[0]

    def broken(self) -> dict[str, str]:
        """What stands among the runs and cannot be read: folder name → why."""
        return self._listed()[1]

    def _listed(self) -> tuple[list[str], dict[str, str]]:
        ids: list[str] = []
        broken: dict[str, str] = {}
        for root in filter(None, (self.root, self.examples)):
            found = []
            for path in sorted(root.iterdir()) if root.is_dir() else ():
                if not path.is_dir() or path.name.startswith(".") or path.name in (*ids, *broken):
                    continue
                try:
                    found.append((-self.head(path).created, path.name))
                except StoreError as e:
                    broken[path.name] = str(e)
            ids += [name for _, name in sorted(found)]
        return ids, broken

    def head(self, path: Path) -> Head:
        """A run's config.json; StoreError when the folder is no run that can be read."""
        file = path / "config.json"
        try:
            value = files.read_json(file)
        except FileNotFoundError:
            raise StoreError(f"{path} has no config.json: no run, or a part of one; delete it or put the file back") from None
        head = Head.from_dict(value, file, path.name)
        return head._replace(title=about.title(path, head.title))

    def exists(self, run_id: str) -> bool:
        """Whether there is a run of that id, the user's own or an example."""
        return self._find(run_id) is not None

    def is_example(self, run_id: str) -> bool:
        """Whether the run is one of the read-only examples."""
        return self.path(run_id).parent != self.root

    def path(self, run_id: str) -> Path:
        """The run's folder; AddressError names the near misses."""
        if (path := self._find(run_id)) is not None:
            return path
        known = self.runs()
        where = f"; {did_you_mean(str(run_id), known)}" if known else f" in {self.root}"
        raise AddressError(f"there is no run {run_id!r}{where}")

    def _find(self, run_id: str) -> Path | None:
        roots = filter(None, (self.root, self.examples)) if valid(run_id) else ()
        return next((root / run_id for root in roots if (root / run_id).is_dir()), None)

    def timing_folders(self, run_id: str) -> list[Path]:
        """Where a run's timings lie, the folder to write to last: its own, for an example one that is the user's."""
        beside = [self.root / f".{timings.FOLDER}" / run_id] if self.is_example(run_id) else []
        return [self.path(run_id) / timings.FOLDER, *beside]

    def own(self, run_id: str) -> Path:
        """The folder of a run that may be written; StoreError for an example."""
        path = self.path(run_id)
        if path.parent != self.root:
            raise StoreError(f"run {run_id!r} is an example and is not changed; start the same settings as a run of your own")
        return path
