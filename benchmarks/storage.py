"""Size and speed of a stored ResNet-18 round: `python benchmarks/storage.py [--folder DIR]`.

The masks are random with 20 % kept, the worst case for compression at that density (real masks are less even); tickets are
unstructured, Refill, Regroup and a random control. Prints bits per weight and mask, and medians over repetitions with their
range. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, RunConfig
from lthviz.records import Address, Begin, Blocks, Checkpoint, Curve, Epoch, Layer, Masks, Round, Stage, Ticket
from lthviz.store import Store
from lthviz.store.writing import checkpoint_path, round_path

KEPT = 0.2


def resnet18() -> tuple[Layer, ...]:
    """The prunable convolutions of ResNet-18 in its CIFAR form: 11.16 M weights in 19 layers, without the stem."""
    out, c_in = [], 64
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            at, hw = f"layer{stage}.{block}", (32 >> stage - 1,) * 2
            out += [Layer(f"{at}.conv1.weight", (width, c_in, 3, 3), hw), Layer(f"{at}.conv2.weight", (width, width, 3, 3), hw)]
            if c_in != width:
                out.append(Layer(f"{at}.downsample.0.weight", (width, c_in, 1, 1), hw))
            c_in = width
    return tuple(out)


def ticket(label: str, layers: tuple[Layer, ...], rng: np.random.Generator, weights: bool) -> Ticket:
    """A trained ticket: random masks; blocks as many and as large as its structure makes them."""
    masks, blocks, notes = {}, {}, {}
    for layer in layers:
        c, n = layer.matrix
        mask = rng.random((c, n)) < KEPT
        if label.startswith("refill"):
            rows = np.sort(rng.permutation(c)[:max(1, round(KEPT * c))]).astype(np.int32)
            blocks[layer.name] = Blocks((c, n), (rows,), (np.arange(n, dtype=np.int32),))
        elif label.startswith("regroup") and c >= 128:
            parts = np.array_split(rng.permutation(c), max(8, c // 32))
            cols = tuple(np.sort(rng.permutation(n)[:round(2 * KEPT * n)]).astype(np.int32) for _ in parts)
            blocks[layer.name] = Blocks((c, n), tuple(np.sort(p).astype(np.int32) for p in parts), cols)
        masks[layer.name] = mask.reshape(layer.shape)
        notes[layer.name] = {"back": 12345, "gone": 23456, "parts": [{"rows": 32, "cols": 1024, "block": True}] * 16}
    epochs = [Epoch(1, label, e, 160, *rng.random(5)) for e in range(160)]
    kept = {x.name: rng.standard_normal(x.shape, np.float32) * masks[x.name] for x in layers} if weights else None
    return Ticket(label, 1, Masks.of(masks), blocks, notes, Curve.of(epochs), 93.21, 94.0, 1234.5, kept)


def timed(f: Callable[[], object], n: int = 7) -> str:
    times = []
    for _ in range(n):
        t = time.perf_counter()
        f()
        times.append(1e3 * (time.perf_counter() - t))
    return f"{statistics.median(times):8.2f} ms  ({min(times):.2f} to {max(times):.2f}, n = {n})"


STRUCTURES = (Refill(), Regroup(), Random())
LABELS = (UNSTRUCTURED, *(s.label for s in STRUCTURES))


def stored(folder: Path, layers: tuple[Layer, ...], keep: str) -> tuple[Store, str, Checkpoint]:
    """A store with one run of two rounds, dense and pruned, and the checkpoint behind them."""
    rng = np.random.default_rng(0)
    store = Store(folder / keep)
    config = RunConfig(model="resnet18", structures=STRUCTURES, keep_weights=keep)
    run = store.begin(config)
    store.append(run, Begin(layers, {}))
    dense = Ticket(UNSTRUCTURED, 0, Masks.of({x.name: np.ones(x.shape, bool) for x in layers}), test_acc=94.0)
    tickets = {s: ticket(s, layers, rng, keep == "all" or (keep == "trunk" and s == UNSTRUCTURED)) for s in LABELS}
    arrays = {f"{kind}/{x.name}": rng.standard_normal(x.shape, np.float32) for kind in ("rewind", "now", "momentum") for x in layers}
    for r in (Round(0, {UNSTRUCTURED: dense}, 1, True), Round(1, tickets, len(config.stages(1)), True, 5000.0)):
        state = Checkpoint({}, arrays, r)
        store.append(run, Stage(r, "train", UNSTRUCTURED, 1.0, lambda state=state: state))
    return store, run, state


def measure(folder: Path, layers: tuple[Layer, ...], keep: str) -> None:
    store, run, state = stored(folder, layers, keep)
    path, file = store.path(run), round_path(store.path(run), 1)
    size, masks = sum(x.size for x in layers), len(LABELS)
    with_weights = {"none": 0, "trunk": 1, "all": masks}[keep]
    weights = stored_weights(file)
    print(f"weights kept: {keep}")
    print(f"  round on disk               {file.stat().st_size / 2**20:8.2f} MiB")
    if with_weights:
        print(f"  of it weights               {weights / 2**20:8.2f} MiB, "
              f"{8 * weights / size / with_weights:.2f} bits a weight and ticket (float32 whole: 32)")
    print(f"  without weights             {8 * (file.stat().st_size - weights) / size / masks:8.3f} bits a weight and mask (at most 2)")
    print(f"  checkpoint on disk          {checkpoint_path(path).stat().st_size / 2**20:8.2f} MiB")

    def publish() -> None:
        file.unlink()
        store.recover(run)

    largest = Address(run, 1, LABELS[2], "layer4.1.conv2.weight")
    print(f"  write a checkpoint        {timed(lambda: store.save_checkpoint(run, state), 3)}")
    print(f"  publish a round from it   {timed(publish, 3)}")
    print(f"  read a checkpoint         {timed(lambda: store.checkpoint(run), 3)}")
    print(f"  read a round              {timed(lambda: store.round(run, 1))}")
    print(f"  read a ticket             {timed(lambda: store.ticket(largest))}")
    print(f"  read one mask, 512×4608   {timed(lambda: store.mask(largest), 20)}")
    if keep == "all":
        print(f"  read one weight, 512×4608 {timed(lambda: store.weight(largest), 20)}")
    print(f"  rows and status of a run  {timed(lambda: (store.run(run), store.status(run)), 20)}")
    print(f"  pack the run              {timed(lambda: store.pack(run, folder / 'packed.h5', overwrite=True), 3)}\n")


def stored_weights(file: Path) -> int:
    """Bytes that the weights take in a round file."""
    total = 0
    with h5py.File(file, "r") as f:
        for t in f["round/tickets"].values():
            total += sum(w.id.get_storage_size() for w in t.get("weights", {}).values())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure (default: the temporary one)")
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version}), numpy {np.__version__}")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        layers = resnet18()
        print(f"ResNet-18, {len(layers)} layers, {sum(x.size for x in layers) / 1e6:.2f} M prunable weights, "
              f"{len(LABELS)} tickets, {KEPT:.0%} kept at random\n")
        for keep in ("none", "trunk", "all"):
            measure(Path(folder), layers, keep)


if __name__ == "__main__":
    main()
