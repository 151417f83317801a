"""The one training loop: dense and masked, from the start, from the rewinding step or from where it was interrupted.

SGD with momentum and weight decay on every parameter, BatchNorm and biases included, as in the paper's released code.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import Diverged, TrainingError
from lthviz.nn import device, state
from lthviz.nn.batches import Batches
from lthviz.nn.draws import Draws
from lthviz.nn.masking import Masked
from lthviz.nn.modes import evaluating
from lthviz.nn.schedule import learning_rate
from lthviz.nn.smaller import Smaller
from lthviz.nn.source import Batch, Source
from lthviz.nn.state import State, get_state, set_state
from lthviz.nn.world import ALONE, World
from lthviz.records import Layer

__all__ = ["BatchDone", "EpochDone", "Trainer", "Training", "get_state", "set_state"]


class BatchDone(NamedTuple):
    """step: updates done since the start of training. loss: of this batch, a scalar tensor on the device."""

    step: int
    loss: torch.Tensor


class EpochDone(NamedTuple):
    """epoch: epochs done (from 1), of `epochs`. Accuracies are percent; val_acc is nan where no image is held out.

    train_loss and train_acc: over the epoch's augmented batches as they were trained. lr: of its last update.
    seconds: training and validation, without what happened while the loop was suspended.
    """

    epoch: int
    epochs: int
    step: int
    train_loss: float
    train_acc: float
    val_acc: float
    lr: float
    seconds: float


class Trainer:
    """What all trainings of a run share: its images, batches, schedule, precision."""

    def __init__(self, config: RunConfig, images: Source, layers: Sequence[Layer] = (), world: World = ALONE) -> None:
        self.config, self.images, self.layers, self.world = config, images, tuple(layers), world
        self.device = images.device
        self.threads = device.use_threads(config, world)
        self.batches = Batches(config, images, world.part)
        self.steps_per_epoch = self.batches.per_epoch
        self.total_steps = config.epochs * self.steps_per_epoch
        self.rewind_step = round(config.rewind * self.total_steps)
        self.resume_step = self.rewind_step if config.after_rewind == "continue" else 0

    def lr(self, step: int) -> float:
        """Learning rate of the update that follows `step` updates."""
        return learning_rate(self.config, step, self.steps_per_epoch)

    def train(self, model: nn.Module, masked: Masked | Smaller | None = None, *, start_step: int = 0, optimizer_state: State | None = None,
              remember_at: int | None = None, epochs_so_far: Sequence[EpochDone] = ()) -> Training:
        """A training of `model`, masked or as its smaller network, from `start_step` to the end; iterate over it. See `Training`."""
        return Training(self, model, masked, start_step, optimizer_state or {}, remember_at, epochs_so_far)

    def precision(self) -> contextlib.AbstractContextManager:
        if self.config.precision == "bfloat16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    @torch.no_grad()
    def accuracy(self, model: nn.Module, batches: Iterable[Batch]) -> float:
        """Percent of the images that get their label, in the run's precision; nan without images. batches: this process's part."""
        right, seen = torch.zeros((), dtype=torch.int64, device=self.device), 0
        with evaluating(model), self.precision():
            for x, y in batches:
                x = x.contiguous(memory_format=device.memory_format(self.config))
                right += (model(x).argmax(1) == y).sum()
                seen += len(y)
        right, seen = self.world.sum(torch.stack([right, right.new_tensor(seen)])).tolist()
        return 100 * right / seen if seen else math.nan

    def test_accuracy(self, model: nn.Module) -> float:
        return self.accuracy(model, self.images.test_batches(self._at_once, self.world.part))

    def validation_accuracy(self, model: nn.Module) -> float:
        return self.accuracy(model, self.images.validation_batches(self._at_once, self.world.part))

    @property
    def _at_once(self) -> int:
        """Images a batch of an evaluation, of all processes together: each has as many as one alone would."""
        return self.world.size * max(1, (1 << 19) // math.prod(self.images.shape[1:]))

    def calibration(self) -> Batch:
        """`calibration_images` training images for scores.channel_scores: normalised, not augmented, drawn by seed."""
        x, y = self.images.calibration(self.config.calibration_images, seeds.derive(self.config.seed, "calibration"))
        return x.contiguous(memory_format=device.memory_format(self.config)), y


class Training:
    """One training under way. Iterating yields a BatchDone after each update and an EpochDone after each epoch.

    step: updates done. remembered: the network's state after `remember_at` updates, None until then. epochs: every
    EpochDone, those given as `epochs_so_far` first. At an EpochDone `get_state(model)`, `optimizer_state()` and `step`
    are all that is needed to go on: with them as a new training's start the rest is bit-equal on the CPU.
    Starting in the middle of an epoch trains the rest of it, on the batches it would have had.
    A smaller network (`Smaller`) trains in the model's place; the model then stands as the last epoch left it.
    """

    def __init__(self, trainer: Trainer, model: nn.Module, masked: Masked | Smaller | None, start_step: int,
                 optimizer_state: Mapping[str, np.ndarray], remember_at: int | None, epochs_so_far: Sequence[EpochDone]) -> None:
        self.trainer, self.model = trainer, model
        self.smaller = masked if isinstance(masked, Smaller) else None
        self.network = self.smaller.network if self.smaller else model
        self.masked = self.smaller.masked if self.smaller else masked
        self.step, self.remember_at, self.epochs = start_step, remember_at, list(epochs_so_far)
        self.remembered: State | None = None
        config = trainer.config
        self.draws = Draws(config.seed, trainer.device, trainer.world.rank)
        self.optimizer = torch.optim.SGD((self.smaller or model).parameters(), lr=config.lr, momentum=config.momentum,
                                         weight_decay=config.weight_decay, fused=True)
        self.scales = [m.weight for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.affine]
        if self.smaller:
            self.smaller.set_momentum(self.optimizer, optimizer_state)
        else:
            state.set_momentum(model, self.optimizer, optimizer_state)

    def optimizer_state(self) -> State:
        """The momentum buffers by parameter name."""
        return self.smaller.get_momentum(self.optimizer) if self.smaller else state.get_momentum(self.model, self.optimizer)

    def __iter__(self) -> Iterator[BatchDone | EpochDone]:
        trainer = self.trainer
        if self.smaller:
            self.smaller.read()
        if self.masked:
            self.masked.enforce()
        self._remember()
        self._connect()
        while self.step < trainer.total_steps:
            yield from self._epoch()

    def _connect(self) -> None:
        """What is called in the network's place: compiled, or with its gradients averaged over the processes.

        In a world the order in which the first backward pass finishes decides how gradients are summed from the second on. One
        that counts for nothing comes before, so that a training that goes on sums like one that was never interrupted.
        """
        trainer = self.trainer
        self.forward = device.compiled(trainer.config, self.network, trainer.device, trainer.world)
        if trainer.world.size == 1:
            return
        self._pass_of_nothing()
        idle = [p for p in self.network.parameters() if p.requires_grad and p.grad is None]
        self.forward = trainer.world.parallel(self.forward, idle=bool(idle))
        self._pass_of_nothing()
        self.network.zero_grad(set_to_none=True)

    def _pass_of_nothing(self) -> None:
        trainer = self.trainer
        self.network.zero_grad(set_to_none=True)
        images = torch.zeros((2, *trainer.images.shape), device=trainer.device).contiguous(memory_format=device.memory_format(trainer.config))
        with evaluating(self.forward), trainer.world.watched():
            with trainer.precision():
                out = self.forward(images)
            out.float().sum().backward()

    def _backward(self, x: torch.Tensor, y: torch.Tensor, n: int, where: str, lr: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of the mean loss over the n images of all processes, of which x is a part; that loss, and how many are right."""
        trainer, world = self.trainer, self.trainer.world
        with world.watched(), device.compiling(trainer.config):
            with trainer.precision(), world.batchnorm(trainer.device), self.draws.of(self.step, len(x)):
                out = self._forward(x)
            if world.size == 1:
                loss = F.cross_entropy(out.float(), y)
                whole = loss.detach()
            else:   # gradients are averaged without weights, and parts are of different sizes
                loss = F.cross_entropy(out.float(), y, reduction="sum") * (world.size / n)
                whole = world.sum(loss.detach() / world.size)
            if trainer.device.type == "cpu":   # on a GPU this would wait for the device; there the epoch's sum is looked at
                self._check(whole.item(), where, lr)
            self.network.zero_grad(set_to_none=True)
            loss.backward()
        return whole, (out.detach().argmax(1) == y).sum()

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            return self.forward(x)
        except RuntimeError as e:
            if "Expected to have finished reduction" not in str(e):
                raise
            names = [name for name, p in self.network.named_parameters() if p.requires_grad and p.grad is None]
            raise TrainingError(f"{self.trainer.config.model} does not use {', '.join(names[:5]) or 'all of its parameters'}{', …' * (len(names) > 5)} "
                                "in every step, and several processes cannot train such a network; train it in one process") from e

    def _epoch(self) -> Iterator[BatchDone | EpochDone]:
        trainer, model = self.trainer, self.network
        epoch, first = divmod(self.step, trainer.steps_per_epoch)
        loss_sum = torch.zeros((), dtype=torch.float64, device=trainer.device)
        right = torch.zeros((), dtype=torch.int64, device=trainer.device)
        seen, seconds, began = 0, 0.0, time.perf_counter()
        model.train()
        for x, y in trainer.batches.epoch(epoch, first):
            lr = self.optimizer.param_groups[0]["lr"] = trainer.lr(self.step)
            n = trainer.batches.size(self.step)
            loss, correct = self._backward(x, y, n, f"epoch {epoch + 1}, step {self.step + 1}", lr)
            if trainer.config.bn_l1:   # the subgradient of bn_l1 · Σ|γ|, none at zero, so that a removed channel stays (Liu et al. 2017)
                used = [p for p in self.scales if p.grad is not None]
                torch._foreach_add_([p.grad for p in used], [p.detach().sign() for p in used], alpha=trainer.config.bn_l1)
            self.optimizer.step()
            if self.masked:
                self.masked.enforce()
            if self.smaller:
                self.smaller.stepped()
            loss_sum += loss * n
            right += correct
            seen += n
            self.step += 1
            self._remember()
            seconds += time.perf_counter() - began
            yield BatchDone(self.step, loss)
            began = time.perf_counter()
        trainer.world.sum(right)
        self._check(loss_sum.item(), f"epoch {epoch + 1}", lr)
        for name, p in model.named_parameters():
            if not torch.isfinite(p).all():
                raise Diverged(f"{name} is not finite after epoch {epoch + 1} (lr {lr:g}); lower lr or lengthen the warm-up")
        if self.masked:
            self.masked.assert_exact()
        trainer.world.same(lambda: state.fingerprint(model), "the weights")
        if self.smaller:
            self.smaller.write()
        val_acc = trainer.validation_accuracy(model)
        done = EpochDone(epoch + 1, trainer.config.epochs, self.step, loss_sum.item() / seen, 100 * right.item() / seen,
                         val_acc, lr, seconds + time.perf_counter() - began)
        self.epochs.append(done)
        yield done

    def _remember(self) -> None:
        if self.step == self.remember_at and self.remembered is None:
            if self.smaller:
                self.smaller.write()
            self.remembered = get_state(self.model)

    @staticmethod
    def _check(loss: float, where: str, lr: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(f"the loss is {loss} in {where} (lr {lr:g}); lower lr or lengthen the warm-up")
