"""The real files that changes begin from, made by the project's own code and by the libraries that other people use. Small: a change should hit."""

from __future__ import annotations

import io
import json
import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from benchmarks import made_run
from benchmarks.fuzz.formats import folder_bytes
from lthviz import presets as shipped
from lthviz.config import UNSTRUCTURED, Refill, RunConfig
from lthviz.exchange import maskfile
from lthviz.records import Epoch, Layer, LayerTiming, Masks, Timing
from lthviz.store import Store, about, presets, queue, timings

LAYERS = (Layer("conv.weight", (8, 3, 3, 3), (8, 8), "bn"), Layer("fc.weight", (5, 8), (1, 1), "", ("conv.weight",)))
SAYS = {"format": 1, "lthviz": "0.1.0", "run": "r", "round": 1, "structure": "unstructured", "structural": False, "image_shape": [1, 8, 8], "classes": [str(k) for k in range(10)],
        "config": {"model": "convnet", "data": "digits", "epochs": 3}, "test_acc": 50.0, "val_acc": None, "dense_acc": None, "normalisation": None, "blocks": {"conv.weight": [{"rows": [0, 1], "cols": [0, 2]}]}}


def arrays() -> dict[str, np.ndarray]:
    """Weights with a mask beside them."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 3), np.float32)
    return {"conv.weight_orig": weight, "conv.weight_mask": (rng.random(weight.shape) < 0.5).astype(np.float32), "fc.bias": np.zeros(3, np.float32)}


def masks() -> Masks:
    rng = np.random.default_rng(1)
    conv = rng.random((4, 3, 3, 3)) < 0.5
    conv.reshape(4, 27)[:2, [0, 2]] = True      # the block that SAYS tells of
    return Masks.of({"conv.weight": conv, "fc.weight": rng.random((3, 4)) < 0.5})


def as_torch(legacy: bool = False) -> list[bytes]:
    """A state dict, one inside a checkpoint with its optimiser, one with other types, what describes a ticket."""
    import torch
    from torch import nn

    state = OrderedDict((n, torch.from_numpy(a)) for n, a in arrays().items())
    told = OrderedDict(state)
    told._metadata = OrderedDict(lthviz=json.dumps(SAYS))
    half = {"w": torch.ones(2, 2, dtype=torch.bfloat16), "b": torch.ones(3, dtype=torch.bool), "t": torch.ones(3, 2).t(), "p": nn.Parameter(torch.ones(2))}
    return [_torch(x, legacy) for x in (state, {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}, "init_weight": dict(state)}, told, half)]


def _torch(value: object, legacy: bool) -> bytes:
    import torch

    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def as_safetensors() -> list[bytes]:
    import safetensors.numpy

    return [safetensors.numpy.save(arrays()), safetensors.numpy.save(arrays(), {"lthviz": json.dumps(SAYS)}), safetensors.numpy.save({"a": np.ones((2, 2), np.float16), "b": np.ones(3, bool)})]


def as_npz() -> list[bytes]:
    out = []
    for save in (np.savez, np.savez_compressed):
        box = io.BytesIO()
        save(box, **arrays(), __lthviz__=np.frombuffer(json.dumps(SAYS).encode(), np.uint8))
        out.append(box.getvalue())
    box = io.BytesIO()
    np.save(box, np.ones((2, 3)))
    return [*out, box.getvalue()]


def as_hdf5() -> list[bytes]:
    """With HDF5's headers of today, which have checksums, and with those of old, which have none."""
    out = []
    for version, pack in (("earliest", {}), ("v110", {"compression": "gzip", "shuffle": True, "fletcher32": True}), ("latest", {"chunks": True})):
        box = io.BytesIO()
        with h5py.File(box, "w", libver=version) as f:
            group = f.create_group("layer")
            for name, array in arrays().items():
                group.create_dataset(name, data=array, **pack)
            f.attrs["lthviz"] = np.bytes_(json.dumps(SAYS).encode())
            f["empty"] = np.zeros((0, 2), np.float32)
            f["names"] = np.array([b"a", b"bc"])
        out.append(box.getvalue())
    return out


def as_masks() -> list[bytes]:
    """What maskfile writes, each format with its number before it."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for i, suffix in enumerate((".npz", ".safetensors", ".pt", ".h5")):
            for words in (None, json.dumps(SAYS)):
                file = Path(folder, f"m{suffix}")
                maskfile.write(file, masks(), words)
                out.append(bytes([i]) + file.read_bytes())
    return out


def networks() -> list[bytes]:
    """A network of ours with torch's masks in it, that `intake.look` takes, each format with its number before it. Every value of a tensor is one value in the
    file, so that the file is small."""
    import safetensors.torch
    import torch
    from torch import nn
    from torch.nn.utils import prune

    from lthviz.nn import models

    net = models.build(RunConfig(model="convnet", device="cpu"), (1, 8, 8), 10)
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            prune.identity(m, "weight")
    state = OrderedDict((n, torch.ones((), dtype=v.dtype).expand(v.shape)) for n, v in net.state_dict().items())
    few = {n: v.contiguous() for n, v in state.items() if v.numel() < 2000}
    box = io.BytesIO()
    np.savez_compressed(box, **{n: v.numpy() for n, v in state.items()})
    return [b"\0" + _torch(state, False), b"\0" + _torch(state, True), b"\1" + safetensors.torch.save(few), b"\2" + box.getvalue()]


@cache
def run() -> dict[str, bytes]:
    """Every file of a small finished run, by its path in the run's folder; `packed` the whole run in one file, `id` its id."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "runs"), examples=Path(folder, "none"))
        run_id = made_run.write(store, LAYERS, rounds=1, model="convnet", title="A run")
        path = store.path(run_id)
        with store.lock(run_id):
            for e in range(2):
                store.append(run_id, Epoch(1, UNSTRUCTURED, e, 2, 0.5, 80.0, float("nan"), 0.1, 1.0))
            store.beat(run_id, done=1, total=2, eta_s=3.0, loss=0.5)
            store.set_state(run_id, "finished", "made up")
        about.change(path, title="A title", note="two\nlines", source="a.h5")
        timings.write(path / timings.FOLDER, _timing())
        store.pack(run_id, Path(folder, "packed.h5"))
        found = {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file() and not p.name.endswith(".lock")}
        return {**found, "packed": Path(folder, "packed.h5").read_bytes(), "id": run_id.encode()}


def _timing() -> Timing:
    return Timing(1, UNSTRUCTURED, "cpu", 1, 16, 2.0, 1.0, 0.5, (0.4, 0.6), 0.5, 1e-6, "torch", "blocks", 9, (LayerTiming("conv", 30, 0.5, 1.0, 0.5, "blocks"),), {"torch": 2.0}, time=1.7e9)


def presets_toml() -> list[bytes]:
    return [presets.to_toml({"title": "t", "note": "n", "source": "s"}, shipped.PRESETS[name].config).encode() for name in ("digits", "resnet50-tiny")]


STUDY = b'''title = "A study"
preset = "digits"
epochs = 3
[grid]
seed = [0, 1, 2]
rate = [0.2, 0.4]
[[grid.variant]]
structures = ["refill-rho=0.2"]
[[grid.variant]]
structures = [{kind = "regroup", groups = 4}]
[[branches]]
round = 2
structures = ["refill"]
'''
COURSE = b'title = "Sparse networks, week 5"\nchapters = ["mask", "magnitude", "refill", "regroup"]\n'
GALLERY = b'[[entry]]\ntitle = "One"\nrun = "convnet-digits-159a5d97"\npicture = "masks"\nopen = "lab"\nround = 3\nnotice = ["{dense} %", "as {refill_accuracy}"]\n'
LABELS = [b"refill-rho=0.2", b"regroup-groups=4-t1=2.0-layers=conv1@groups=4@t1=3.0@layer3.0.conv1@layer4.0.conv2@t1=2.0", b"random-of=refill~rho=0.2", b"reinit-of=regroup", b"nm-n=2"]
ADDRESS = {"run": "RUN", "round": "1", "stage": "train:unstructured", "layer": "conv.weight", "ticket": "refill", "structure": "regroup-groups=4-t1=2.0", "scope": "layer", "base": "regroup", "window": "0-7,0-26",
           "select": "row-3", "against": "RUN/1/refill", "batch": "64", "threads": "1", "device": "cpu", "tolerance": "0.5", "density": "20", "of": "RUN,RUN", "set": "epochs=5", "branch": "1", "format": "onnx", "tm": "map"}


def request() -> bytes:
    """What is asked to be measured."""
    with tempfile.TemporaryDirectory() as folder:
        return queue.ask(Path(folder), [queue.Item(1, Refill().label, 16, 1)], {"seconds": 1.0}).file.read_bytes()


def progress() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        item = queue.Item(1, Refill().label, 16, 1)
        queue.say(Path(folder), queue.Progress(1, item, "measuring", {item.key: (1.0, "why")}, {item.key: 2}))
        return Path(folder, "progress.json").read_bytes()


def sweep() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store(Path(folder)).keep_sweep("a", "A sweep", STUDY.decode(), ("r1", "r2"), "serial")
        return Path(folder, ".sweeps", "a.json").read_bytes()


HPARAMS = b"==================\n(Model Hyperparameters)\n  * model_name => cifar_resnet_20\n(Dataset)\n  * dataset_name => cifar10\n"
LOGGER = b"train_loss,0,2.3\ntest_accuracy,0,0.1\ntest_loss,10,0.5\ntest_accuracy,10,0.8125\n"


def openlth() -> list[bytes]:
    """A lottery branch of two levels."""
    import torch

    weights = mask = _torch({"fc.weight": torch.ones(2, 2)}, False)
    return [folder_bytes({"level_0/main/hparams.log": HPARAMS, "level_0/main/logger": LOGGER, "level_0/main/model_ep0_it0.pth": weights, "level_0/main/model_ep2_it0.pth": weights, "level_0/main/mask.pth": mask,
                          "level_1/main/logger": LOGGER, "level_1/main/model_ep2_it0.pth": weights, "level_1/main/mask.pth": mask})]


def released() -> list[bytes]:
    """Two rounds as the paper's released code leaves them."""
    import torch

    value = _torch({"epoch": 1, "state_dict": {"fc.weight": torch.ones(2, 2)}, "init_weight": {"fc.weight": torch.ones(2, 2)}, "best_sa": 80.0}, False)
    return [folder_bytes({"0checkpoint.pth.tar": value, "1checkpoint.pth.tar": value, "1model_SA_best.pth.tar": value})]


def images() -> list[bytes]:
    """Pictures in every format that torchvision's folders take."""
    from PIL import Image

    rng, out = np.random.default_rng(0), []
    for name, mode, options in (("PNG", "RGB", {}), ("PNG", "L", {}), ("PNG", "P", {"transparency": 0}), ("JPEG", "RGB", {"quality": 60}), ("JPEG", "L", {"progressive": True}), ("BMP", "RGB", {}), ("PPM", "RGB", {}),
                                ("WEBP", "RGB", {}), ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("GIF", "P", {})):
        box = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).convert(mode).save(box, name, **options)
        out.append(box.getvalue())
    return out
