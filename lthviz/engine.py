"""The experiment: a generator of what happens, stage by stage. No files, no screen; who drives it decides what is kept.

Round 0 trains the dense network and remembers θk. Round i prunes the trunk's trained weights, derives one mask a
structure, rewinds, and trains each ticket from θk (ICML 2022, section 3), or from where its method begins. The trunk is the unstructured ticket unless
`config.in_loop` feeds a structure back; the other structures branch off and are not fed back. Every random choice is
derived from (seed, purpose), so going on from a checkpoint gives the bits of an uninterrupted run on the CPU.

Unlike the released code: everything is rewound (convolutions, stem, BatchNorm with its statistics, classifier), channels
are scored by the round's own weights, and removed channels take their BatchNorm with them. A ticket that loses enough channels trains as the
physically smaller network, to the same end.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any

import numpy as np

from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.core import magnitude, partitioners, stats
from lthviz.errors import DamagedError, DataError
from lthviz.nn.built import built
from lthviz.nn.masking import Masked
from lthviz.nn.shaping import Shaping
from lthviz.nn.smaller import Smaller
from lthviz.nn.train import BatchDone, EpochDone, Training, get_state, set_state
from lthviz.nn.world import ALONE, World
from lthviz.records import Begin, Checkpoint, Curve, Epoch, Event, Masks, Round, Stage, Step, Ticket

State = Mapping[str, np.ndarray]
Ahead = Callable[[int], Iterable[Ticket]]


def events(config: RunConfig, checkpoint: Checkpoint | None = None, world: World = ALONE, ahead: Ahead = lambda _: ()) -> Iterator[Event]:
    """Everything that happens in a run, from its beginning or from a checkpoint of the same run.

    Yields Begin, then for each training a Step a batch and an Epoch an epoch, and a Stage at the end of every stage of
    `config.stages(round)`. Not asking for the next event pauses the run. In a world of several processes each of them asks, and
    gets the same events; only the first's are kept.

    config: the run.
    checkpoint: to go on from; None: from the beginning.
    world: the processes that train it together; one, unless torchrun started several.
    ahead: of a branch, the tickets of a round behind its first own one that its parent has trained and that are not trained again; asked of the
    first process alone.

    Returns: an iterator of events (lthviz.records); a Stage's `round` has its tickets with masks, blocks, curves and accuracies.
    Errors: ConfigError for settings that do not go together, DataError without the images, TrainingError where training cannot go on.
    Source: ICML 2022, sections 3.1 and 4.1.
    Example:
        first = next(lt.events(lt.PRESETS["digits"].config))
        print(len(first.layers), first.info["parameters"])
    """
    return iter(Experiment(config, checkpoint, world, ahead))


class Experiment:
    """A run under way: the network, the trunk and θk, and the round so far."""

    def __init__(self, config: RunConfig, checkpoint: Checkpoint | None = None, world: World = ALONE, ahead: Ahead = lambda _: ()) -> None:
        self.config, self.world, self.ahead = config, world, ahead
        self.images, self.model, self.layers, self.trainer = built(config, world)
        partitioners.use_threads(self.trainer.threads)   # a run of one thread is one, also where several run side by side
        self.shaping = Shaping(config, self.model, self.layers, self.trainer)   # checks the structures: before days of training, not after
        self.theta_k: State | None = None      # the weights to rewind to
        self.trunk: State | None = None        # the trunk's weights at the end of its last training
        self.dense: State = {}                 # the trained dense network's prunable weights, where a structure wants them
        self.before: Masks | None = None       # the trunk's masks in the previous round
        self.round = Round(0, {}, 0, False)
        self.done = 0
        self.training: Training | None = None
        self.unfinished: tuple[State, State, list[EpochDone]] | None = None   # a training to go on with
        self.branched: Mapping[str, Any] = {}  # of a branch: what it was given to begin with (branching/)
        if checkpoint is not None:
            self._restore(checkpoint)

    def __iter__(self) -> Iterator[Event]:
        info = self._info()
        self._check_images(info)
        yield Begin(self.layers, info)
        if self.theta_k is None and self.branched:
            yield from self._train_to_k()
        while True:
            stages = self.config.stages(self.round.index)
            for kind, label in stages[self.round.stages_done:]:
                yield from self._stage(kind, label)
            if self.round.index == self.config.rounds:
                return
            self.before = self.round.tickets[self.config.trunk_of(self.round.index)].masks
            self.round = Round(self.round.index + 1, {}, 0, False)
            if str(self.round.index) in self.branched.get("ahead", {}):
                self._put_all(self.world.by_first(lambda: list(self.ahead(self.round.index))))

    # Stages

    def _stage(self, kind: str, label: str) -> Iterator[Event]:
        began = time.perf_counter()
        if kind == "train":
            seconds = yield from self._train(label)
        else:
            if kind == "rewind":
                set_state(self.model, self.theta_k)
            else:   # made once and handed round: masks of several processes must never differ in a bit
                self._put_all(self.world.by_first(lambda: self._shaped(kind, label)))
            seconds = time.perf_counter() - began
        done = self.round.stages_done + 1
        self.round = dataclasses.replace(self.round, stages_done=done, seconds=self.round.seconds + seconds,
                                         complete=done == len(self.config.stages(self.round.index)))
        yield Stage(self.round, kind, label, seconds, self.snapshot)

    def _shaped(self, kind: str, label: str) -> list[Ticket]:
        """The tickets that a stage without training makes or changes: none where a branch has taken that over from its parent."""
        before = self.round.tickets
        if label in before:
            return []
        if kind == "prune":
            self._prune()
        else:
            self._structure(label)
        return [t for label, t in self.round.tickets.items() if before.get(label) is not t]

    def _put_all(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self._put(ticket)

    def _prune(self) -> None:
        self._put(Ticket(UNSTRUCTURED, self.round.index, magnitude.prune(self._trunk_weights(), self.before, self.config.rate)))

    def _structure(self, label: str) -> None:
        made = self.shaping.make(self.config.structure(label), self.round.index, self.round.tickets, self.trunk, self.dense)
        self._put(Ticket(label, self.round.index, made.masks, made.blocks, made.notes))

    def _train(self, label: str) -> Iterator[Event]:
        """Train the ticket of that label from where its method begins, or the dense network from its initial weights; returns its seconds."""
        dense = self.round.index == 0
        ticket = Ticket(label, 0, self._all_ones()) if dense else self.round.tickets[label]
        if ticket.test_acc is not None:   # a branch has taken it over from its parent
            self._end_training(ticket, ticket.weights)
            return 0.0
        if stats.trains_smaller(ticket, self.layers):
            masked = Smaller(self.model, self.layers, ticket.masks)
        else:
            masked = Masked(self.model, self.layers, ticket.masks, structural=ticket.structural)
        start, momentum, epochs = 0, {}, []
        if self.unfinished:
            state, momentum, epochs = self.unfinished
            set_state(self.model, state)
            start, self.unfinished = epochs[-1].step, None
        elif not dense:
            state, start = self.shaping.start(self.config.structure(label), self.round.index, self.theta_k)
            set_state(self.model, state)
        self.training = self.trainer.train(
            self.model, masked, start_step=start, optimizer_state=momentum, epochs_so_far=epochs,
            remember_at=self.trainer.rewind_step if dense and self.theta_k is None else None)
        for event in self.training:
            if isinstance(event, BatchDone):
                self.done += 1
                if dense and self.theta_k is None:
                    self.theta_k = self.training.remembered
                yield Step(self.done, self._total(), event.loss.item)
            else:
                yield self._epoch(label, event)
        epochs, self.training = [self._epoch(label, e) for e in self.training.epochs], None
        began = time.perf_counter()
        test_acc, state = self.trainer.test_accuracy(self.model), get_state(self.model)
        seconds = sum(e.seconds for e in epochs) + time.perf_counter() - began
        self._end_training(dataclasses.replace(ticket, curve=Curve.of(epochs), test_acc=test_acc, val_acc=epochs[-1].val_acc, train_seconds=seconds), state)
        return seconds

    def _end_training(self, ticket: Ticket, state: State | None) -> None:
        """Keeps a trained ticket, and of its weights what later rounds need and `keep_weights` asks for."""
        dense = self.round.index == 0
        is_trunk = ticket.structure == self.config.trunk_of(self.round.index)
        if is_trunk and state is not None:
            self.trunk = state
        if dense and self.shaping.needs_dense:
            self.dense = {layer.name: state[layer.name] for layer in self.layers}
        keep = self.config.keep_weights == "all" or (self.config.keep_weights == "trunk" and is_trunk)
        self._put(dataclasses.replace(ticket, weights=state if keep else None))

    def _train_to_k(self) -> Iterator[Event]:
        """θk once more, for a branch whose parent did not keep it: the first k steps of the dense training, which the seed decides."""
        self.training = self.trainer.train(self.model, Masked(self.model, self.layers, self._all_ones(), structural=False), remember_at=self.trainer.rewind_step)
        for event in self.training:
            if isinstance(event, BatchDone):
                self.done += 1
                self.theta_k = self.training.remembered
                yield Step(self.done, self._total(), event.loss.item)
            if self.theta_k is not None:
                break
        self.training = None

    def _epoch(self, label: str, e: EpochDone) -> Epoch:
        return Epoch(self.round.index, label, e.epoch, e.epochs, e.train_loss, e.train_acc, e.val_acc, e.lr, e.seconds, self.snapshot)

    # Small things

    def _put(self, ticket: Ticket) -> None:
        tickets = {**self.round.tickets, ticket.structure: ticket}
        order = (UNSTRUCTURED, *(s.label for s in self.config.structures))   # a branch may begin with some of the later ones
        self.round = dataclasses.replace(self.round, tickets={label: tickets[label] for label in order if label in tickets})

    def _trunk_weights(self) -> dict[str, np.ndarray]:
        return {layer.name: self.trunk[layer.name] for layer in self.layers}

    def _all_ones(self) -> Masks:
        return Masks.of({layer.name: np.ones(layer.shape, bool) for layer in self.layers})

    def _total(self) -> int:
        """Batches of the whole run; of a branch those that it trains itself."""
        first, whole = self.config.from_round, self.trainer.total_steps
        trained = {(first, label) for label in self.branched.get("inherited", ())}
        trained |= {(int(k), label) for k, labels in self.branched.get("ahead", {}).items() for label in labels}
        of_round = (self.config.structure(label) for i in range(max(1, first), self.config.rounds + 1) for label in self.config.tickets(i)
                    if (i, label) not in trained)
        dense = whole if not first else max(1, self.trainer.rewind_step) if self.branched.get("again") else 0
        return dense + sum(whole - self.shaping.first_step(s) for s in of_round)

    def _check_images(self, info: Mapping[str, Any]) -> None:
        """DataError where a branch's images are not those that its parent was trained on."""
        for name, was in self.branched.get("images", {}).items():
            if info[name] != was:
                raise DataError(f"the images are not those of the parent run {self.config.parent}: {name} was {was} and is {info[name]}; "
                                "put its images back, or start a new run")

    def _info(self) -> dict[str, Any]:
        return {
            "parameters": sum(p.numel() for p in self.model.parameters()), "prunable": sum(x.size for x in self.layers),
            "train_images": len(self.images.y_train), "val_images": len(self.images.y_val), "test_images": len(self.images.y_test),
            "image_shape": list(self.images.shape), "classes": list(self.images.classes), "data_note": self.images.note, "normalisation": self.images.normalisation,
            "steps": self.trainer.total_steps, "rewind_step": self.trainer.rewind_step, "total_batches": self._total(),
            "device": str(self.images.device), "threads": self.trainer.threads, "processes": self.world.size, "machine": platform.processor() or platform.machine(),
            "versions": {p: metadata.version(p) for p in ("torch", "numpy")} | {"python": platform.python_version()},
        } | ({"branch": {"inherited": list(self.branched["inherited"]), "ahead": dict(self.branched.get("ahead", {})),
                         "theta_k": "trained again" if self.branched["again"] else "the parent's"}} if self.branched else {})

    # Checkpoints

    def snapshot(self) -> Checkpoint:
        """All that is needed to go on from the event just yielded; valid until the next one is asked for."""
        arrays = {f"theta_k/{k}": v for k, v in (self.theta_k or {}).items()} | {f"trunk/{k}": v for k, v in (self.trunk or {}).items()}
        arrays |= {f"dense/{k}": v for k, v in self.dense.items()}
        meta: dict[str, Any] = {"done": self.done} | ({"branch": dict(self.branched)} if self.branched else {})
        if self.training is not None:
            arrays |= {f"model/{k}": v for k, v in get_state(self.model).items()}
            arrays |= {f"momentum/{k}": v for k, v in self.training.optimizer_state().items()}
            meta["epochs"] = [list(e) for e in self.training.epochs]
        return Checkpoint(meta, arrays, self.round)

    def _restore(self, checkpoint: Checkpoint) -> None:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(prefix): v for k, v in checkpoint.arrays.items() if k.startswith(prefix)}

        self.round, self.done, self.branched = checkpoint.round, checkpoint.meta["done"], checkpoint.meta.get("branch", {})
        self.theta_k, self.trunk, self.dense = part("theta_k/") or None, part("trunk/") or None, part("dense/")
        epochs = [EpochDone(*e) for e in checkpoint.meta.get("epochs", ())]
        if epochs:
            self.unfinished = part("model/"), part("momentum/"), epochs
        elif not self.branched and (self.theta_k is None or self.trunk is None):
            raise DamagedError("the checkpoint holds no weights to go on from; start the run again under another seed or delete it")
