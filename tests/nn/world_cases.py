"""What a process of a small world does in tests/nn/test_world.py: `python -m tests.nn.world_cases FOLDER PORT`, started once a rank."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F

from lthviz.config import RunConfig
from lthviz.errors import LthvizError
from lthviz.nn import data, device, models, topology
from lthviz.nn.masking import Masked
from lthviz.nn.smaller import Smaller
from lthviz.nn.state import get_state, set_state
from lthviz.nn.train import BatchDone, EpochDone, Trainer
from lthviz.nn.world import World, joined
from lthviz.records import Masks

SPLITS = ((3, 5, 0), (8, 0, 0), (1, 6, 1), (0, 1, 7))
"""How many of a batch's eight images each rank has; the last ranks' are left out of smaller worlds and go to the first."""
LAYERS = {"2d": lambda: nn.BatchNorm2d(6), "1d": lambda: nn.BatchNorm1d(6, momentum=0.3), "plain": lambda: nn.BatchNorm2d(6, affine=False),
          "averaging": lambda: nn.BatchNorm2d(6, momentum=None), "untracked": lambda: nn.BatchNorm2d(6, track_running_stats=False)}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
CONFIG = RunConfig(model="convnet", data="digits", epochs=2, batch_size=16, train_images=90, augment="shift", schedule="cosine",
                   weight_decay=5e-3, rewind=0.25, threads=1, device="cpu", memory_format="channels_last", validation=0.13)
"""Six batches an epoch, the last of ten images."""
DROPOUT = CONFIG.replace(model="torchvision:mobilenet_v3_small", train_images=48)
LAST_OF_TWO = CONFIG.replace(train_images=82)
"""The last batch of an epoch has two images: one of three processes has none of it."""
KINDS = ("dense", "masked", "smaller")
"""Two processes train them all, three the last."""


def batch(kind: str, memory_format: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight inputs far from zero, where careless variances lose their digits, and what is to be multiplied with the outputs."""
    g = torch.Generator().manual_seed(7)
    shape = (8, 6) if kind == "1d" else (8, 6, 5, 4)
    x, dy = 30 + torch.randn(shape, generator=g), torch.randn(shape, generator=g)
    return (x, dy) if kind == "1d" else (x.contiguous(memory_format=FORMATS[memory_format]), dy)


def layer(kind: str) -> nn.Module:
    made = LAYERS[kind]()
    if made.affine:
        with torch.no_grad():
            made.weight.copy_(torch.linspace(-1, 2, 6))
            made.bias.copy_(torch.linspace(3, -2, 6))
    return made


def normalised(kind: str, memory_format: str, part: slice = slice(None)) -> dict[str, torch.Tensor]:
    """Two forward passes and one backward of a part of the batch, in whatever world there is around."""
    x, dy = (t[part] for t in batch(kind, memory_format))
    bn = layer(kind)
    bn(x)
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    out = bn(x)
    (out * dy).sum().backward()
    found = {"out": out.detach(), "dx": x.grad} | {f"grad {n}": p.grad for n, p in bn.named_parameters()}
    return found | {f"state {n}": b.double() for n, b in bn.named_buffers()}


def autocast(part: slice = slice(None)) -> dict[str, torch.Tensor]:
    """A BatchNorm of float32 behind a convolution in bfloat16, forward and backward."""
    x, dy = (t[part] for t in batch("2d", "channels_last"))
    torch.manual_seed(3)
    conv, bn = nn.Conv2d(6, 6, 1), layer("2d")
    with torch.autocast("cpu", torch.bfloat16):
        out = bn(conv(x - 30))
    (out.float() * dy).sum().backward()
    return {"out": out.detach(), "weight": conv.weight.grad, "scale": bn.weight.grad, "var": bn.running_var}


def masks(layers) -> Masks:
    """Half of the weights and the first third of the rows of every layer gone, so that there is a smaller network."""
    rng = np.random.default_rng(0)
    arrays = {x.name: rng.random(x.shape) < 0.5 for x in layers}
    for a in arrays.values():
        a[:len(a) // 3] = False
    return Masks.of(arrays)


def trained(config: RunConfig, kind: str, world: World | None = None, stop: int = 0):
    """(state, epochs, momentum) after a whole training; with `stop`, one that is cut there and goes on from its snapshot."""
    images = data.load(config, "cpu")
    trainer = Trainer(config, images, (), world) if world else Trainer(config, images)

    def fresh():
        model = models.build(config, images.shape, 10)
        model = model.to(memory_format=torch.channels_last)
        layers = topology.layers(model, images.shape)
        made = {"dense": lambda: None, "masked": lambda: Masked(model, layers, masks(layers), structural=True),
                "smaller": lambda: Smaller(model, layers, masks(layers))}[kind]()
        return model, made

    model, masked = fresh()
    training = trainer.train(model, masked)
    if stop:
        for event in training:
            if isinstance(event, EpochDone) and event.epoch == stop:
                snapshot = get_state(model), training.optimizer_state(), training.epochs[:]
                break
        model, masked = fresh()
        set_state(model, snapshot[0])
        training = trainer.train(model, masked, start_step=snapshot[2][-1].step, optimizer_state=snapshot[1], epochs_so_far=snapshot[2])
    losses = [event.loss.item() for event in training if isinstance(event, BatchDone)]
    return {"state": get_state(model), "epochs": [e._replace(seconds=0) for e in training.epochs], "momentum": training.optimizer_state(),
            "losses": losses, "test": trainer.test_accuracy(model)}


def talk(world: World) -> dict:
    """Sums, words, values, what the first does alone, and who differs."""
    found = {"part": [(world.part(n).start, world.part(n).stop) for n in (0, 1, 2, 7, 128)],
             "sum": world.sum(torch.tensor([world.rank + 1.0, 10.0])).tolist(), "word": world.tell(5 if world.first else 9),
             "value": world.broadcast({"a": np.arange(3)} if world.first else "other")["a"].tolist(), "gather": world.gather(world.rank * 3)}
    began = time.monotonic()

    def alone() -> list:
        time.sleep(4)   # longer than the world's patience
        return [world.rank, world.part(7), world.sum(torch.ones(1)).item()]

    found["by_first"], found["seconds"] = world.by_first(alone), time.monotonic() - began
    found["turns"], found["waited"] = turns(World(world.rank, world.size, max(0, world.rank - 1), 1 + (world.rank > 0), world.peers, world.timeout_s))
    world.same(lambda: 4, "the numbers")
    try:
        world.same(lambda: 4 + (world.rank == 1), "the numbers")
    except LthvizError as e:
        found["apart"] = str(e)
    try:
        device.pick(CONFIG.replace(device="cuda"), world)
    except LthvizError as e:
        found["gpu"] = str(e)
    found["auto"] = device.pick(CONFIG.replace(device="auto"), world).type
    return found


def turns(world: World) -> tuple[tuple[bool, float, float], float]:
    """The first on a machine of its own, all others on a second; each is slower than the world's patience. (Who was to look, from
    when to when), and when this process went on."""
    def work(lead: bool) -> tuple[bool, float, float]:
        began = time.time()
        time.sleep(3.6)
        return lead, began, time.time()

    return world.in_turns(work), time.time()


def idle(world: World | None = None) -> dict:
    """A timm network of which a part is not used, trained for two steps of six images."""
    config = CONFIG.replace(model="timm:test_resnet", train_images=14, batch_size=6, epochs=1, momentum=0.0)
    images = data.load(config, "cpu")
    trainer = Trainer(config, images, (), world) if world else Trainer(config, images)
    model = models.build(config, images.shape, 10)
    model.spare = nn.Linear(3, 3)
    with torch.no_grad():
        model.spare.weight.fill_(0.5)
        model.spare.bias.fill_(0.25)
    training = trainer.train(model)
    losses = [event.loss.item() for event in training if isinstance(event, BatchDone)]
    return {"losses": losses, "state": get_state(model)}


class Fickle(nn.Module):
    """Uses one of its layers in every second training step only, and in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.now_and_then, self.steps = nn.Linear(64, 10), nn.Linear(10, 10), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(x.flatten(1))
        self.steps += self.training
        return x if self.training and self.steps % 2 else self.now_and_then(x)


def fickle(world: World) -> str:
    trainer = Trainer(CONFIG, data.load(CONFIG, "cpu"), (), world)
    try:
        for _ in trainer.train(Fickle()):
            pass
    except LthvizError as e:
        return str(e)
    return ""


def main(folder: Path, second_port: str) -> None:
    torch.set_num_threads(1)
    found = {"bn": {}, "trained": {}}
    with joined() as world:   # with little patience
        found["talk"] = talk(world)
    os.environ |= {"LTHVIZ_TIMEOUT": "120", "MASTER_PORT": second_port}
    with joined() as world:
        for i, split in enumerate(SPLITS):
            sizes = [*split[:world.size]]
            sizes[0] += sum(split[world.size:])
            part = slice(sum(sizes[:world.rank]), sum(sizes[:world.rank + 1]))
            for kind in LAYERS:
                for memory_format in FORMATS if kind != "1d" else ("contiguous",):
                    with world.batchnorm(torch.device("cpu")):
                        found["bn"][i, kind, memory_format] = normalised(kind, memory_format, part)
        x, _ = batch("2d", "channels_last")
        with world.batchnorm(torch.device("cpu")):
            found["bfloat16"] = F.batch_norm(x[world.part(8)].bfloat16(), None, None, training=True)
            found["autocast"] = autocast(world.part(8))
        for kind in KINDS if world.size == 2 else KINDS[2:]:
            found["trained"][kind] = trained(CONFIG, kind, world)
        found["trained"]["last of two"] = trained(LAST_OF_TWO, "masked", world)
        found["dropout"] = [trained(DROPOUT, "dense", world, stop) for stop in (0, 1)] if world.size == 2 else []
        found["idle"] = idle(world)
        found["fickle"] = fickle(world)
        found["again"] = trained(CONFIG, "smaller", world, stop=1)
        torch.save(found, folder / f"{world.rank}.pt")


def lost() -> None:
    """Rank 1 is gone in the middle; what rank 0 makes of it, and whether its groups stand."""
    with joined() as world:
        world._tensors = dist.new_group()   # stands where NCCL's would
        if world.rank == 1:
            os._exit(1)
        try:
            world.sum(torch.ones(1))
        except LthvizError as e:
            print(type(e).__name__)
    print("left", "open" if dist.is_initialized() else "closed")


if __name__ == "__main__":
    lost() if sys.argv[1] == "lost" else main(Path(sys.argv[1]), sys.argv[2])
