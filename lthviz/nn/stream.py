"""Images that are read from their files while the network trains, by worker processes.

What a training image looks like depends on nothing but the run's seed, the epoch and the image's number, so a training that starts
at any step, with any number of workers or in any number of processes, sees what an uninterrupted one on its own would.

Workers are started anew for each epoch and each evaluation, out of a server process that has all modules loaded ("forkserver"): so none
holds what the training has open, the lock on its run above all, and none is left waiting between epochs.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import DataError, TrainingError
from lthviz.nn import augment, decode, device
from lthviz.nn.source import Batch, Part, Source, whole

SIZE, RESIZE = 224, 256
"""Pixels of an image; an evaluation takes the middle of one scaled to RESIZE (torchvision's reference settings)."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of values from 0 to 1, as torchvision uses them for every network trained on it."""
Key = tuple[int, int | None]
"""Number of a file, and the seed of the changes to it; None: as it is."""


class Stream(Source):
    """Images in files. The statistics are ImageNet's published ones. DataError names the first file that is broken."""

    def __init__(self, config: RunConfig, paths: Sequence[Sequence[str]], labels: Sequence[torch.Tensor], classes: tuple[str, ...],
                 note: str = "", *, check: bool = True) -> None:
        """paths, labels: of the training, validation and test images; labels on the device that trains. check: look through all files now."""
        self.y_train, self.y_val, self.y_test = labels
        self.mean, self.std = (torch.tensor([255 * v for v in values], device=self.device).reshape(3, 1, 1) for values in (MEAN, STD))
        self.classes, self.note = classes, note
        together = [path for part in paths for path in part]
        if check:
            decode.check(together)
        self._starts = np.cumsum([0, *map(len, paths)]).tolist()
        self._files, self._workers = Decoded(together, config.augment), workers(config)

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, SIZE, SIZE

    def train_batches(self, config: RunConfig, epoch: int, index: torch.Tensor, places: Sequence[range]) -> Iterator[Batch]:
        seed = seeds.derive(config.seed, "augment", epoch)
        numbers = [index[place.start:place.stop:place.step].tolist() for place in places]
        keys = ([(i, seeds.derive(seed, i)) for i in some] for some in numbers)
        for x, y in self._batches(keys, self.y_train, numbers):
            yield x.contiguous(memory_format=device.memory_format(config)), y

    def validation_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        return self._as_they_are(1, _parts(len(self.y_val), size, part))

    def test_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        return self._as_they_are(2, _parts(len(self.y_test), size, part))

    def training_images(self, index: torch.Tensor) -> Batch:
        x, y = zip(*self._as_they_are(0, [some.tolist() for some in index.split(32)]), strict=True)
        return torch.cat(x), torch.cat(y)

    def _as_they_are(self, part: int, numbers: Sequence[Sequence[int]]) -> Iterator[Batch]:
        keys = ([(self._starts[part] + i, None) for i in some] for some in numbers)
        return self._batches(keys, (self.y_train, self.y_val, self.y_test)[part], numbers)

    def _batches(self, keys: Iterable[list[Key]], y: torch.Tensor, numbers: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Normalised images of those keys, with their labels y[numbers]."""
        labels = (y[torch.tensor(some, dtype=torch.int64, device=y.device)] for some in numbers)
        for x, some in device.ahead(zip(self._read(keys, len(numbers)), labels, strict=True), self.device):
            yield self.normalise(x), some

    def _read(self, keys: Iterable[list[Key]], n: int) -> Iterator[torch.Tensor]:
        """Batches uint8 (B, 3, SIZE, SIZE) on the host, one for each of the n lists of keys."""
        count, on_gpu = min(self._workers, n), self.device.type == "cuda"
        loader = DataLoader(self._files, batch_sampler=keys, collate_fn=_as_is, num_workers=count, pin_memory=on_gpu,
                            multiprocessing_context=_context() if count else None, worker_init_fn=_end_with_parent, generator=torch.Generator())
        try:
            for x in loader:
                if isinstance(x, str):
                    raise DataError(x)
                yield x
        except (RuntimeError, EOFError, OSError) as e:   # what is wrong with an image comes as text; this is a worker that is gone
            if isinstance(e, RuntimeError) and "DataLoader worker" not in str(e):
                raise
            raise TrainingError(f"a process that reads images ended unasked ({next(iter(str(e).splitlines()), type(e).__name__)}); with fewer "
                                "of them (loader_workers) there is more memory for each") from e


class Decoded(Dataset):
    """The images of files by their keys, a batch at a time: uint8 (B, 3, SIZE, SIZE), or a line on what is wrong."""

    def __init__(self, paths: Sequence[str], kind: str) -> None:
        from torchvision import transforms as T

        names = [os.fsencode(path) for path in paths]   # as two tensors, which workers share; a million strings would be copied to each
        self._names = torch.frombuffer(bytearray(b"".join(names)), dtype=torch.uint8)
        self._ends = torch.tensor(np.cumsum([0, *map(len, names)]))
        self._changed = T.Compose([*augment.streamed(kind, SIZE, RESIZE), T.PILToTensor()])
        self._evaluated = T.Compose([*augment.evaluated(SIZE, RESIZE), T.PILToTensor()])

    def __getitems__(self, keys: list[Key]) -> torch.Tensor | str:
        try:
            images = [self._image(*key) for key in keys]
        except DataError as e:   # as a value: an exception would come back with the worker's traceback as its message
            return str(e)
        return torch.stack(images) if images else torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8)

    def _image(self, number: int, seed: int | None) -> torch.Tensor:
        start, end = self._ends[number:number + 2].tolist()
        image = decode.rgb(os.fsdecode(self._names[start:end].numpy().tobytes()))
        if seed is None:
            return self._evaluated(image)
        with torch.random.fork_rng(devices=[]):   # torchvision's transforms draw from torch's own generator
            torch.default_generator.manual_seed(seed)
            return self._changed(image)


def workers(config: RunConfig) -> int:
    """How many processes read: `loader_workers`, or one a core that this process may use, shared among the processes of this machine."""
    if config.loader_workers >= 0:
        return config.loader_workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _parts(n: int, size: int, part: Part) -> list[range]:
    """Which of n images, `size` a batch, are this process's part of each batch."""
    batches = [range(i, min(i + size, n)) for i in range(0, n, size)]
    return [batch[part(len(batch))] for batch in batches]


def _context() -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _end_with_parent(worker: int) -> None:
    """In a worker. torch's own watch is over the server process, and that one waits for its last worker: both would stay."""
    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _as_is(x: torch.Tensor | str) -> torch.Tensor | str:
    return x
