"""How a round's tickets are made with the network at hand, and where their training starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lthviz.config import RunConfig
from lthviz.core import partition, partitioners, structures
from lthviz.errors import ConfigError
from lthviz.methods import UNSTRUCTURED, Grasp, Omp, Refill, Regroup, Slimming, Snip, Structure, SynFlow
from lthviz.nn import device, models, saliency, scores
from lthviz.nn.state import State, get_state, set_state
from lthviz.nn.train import Trainer
from lthviz.records import Layer, Masks, Structured, Ticket
from lthviz.seeds import derive

Weights = Mapping[str, np.ndarray]


class Shaping:
    """Makes the tickets of a run. Nothing of it changes from round to round: it is the same after a resume.

    model: freshly built; its weights are θ0.
    """

    def __init__(self, config: RunConfig, model: nn.Module, layers: Sequence[Layer], trainer: Trainer) -> None:
        self.config, self.model, self.layers, self.trainer = config, model, layers, trainer
        asked = [s for s in (*config.structures, *(getattr(s, "other", None) for s in config.structures)) if s is not None]
        self.needs_dense = any(isinstance(s, Omp) for s in asked)
        self.theta_0: State = get_state(model) if any(s.begins == "initial" for s in asked) else {}
        self._known: dict[str, Weights] = {}    # scores that are the same in every round
        self._check(asked)

    def make(self, structure: Structure, index: int, tickets: Mapping[str, Ticket], trunk: State, dense: Weights) -> Structured:
        """What the structure makes of round `index`. tickets: the round's so far, the unstructured one among them; trunk: the state
        that the trunk's last training left; dense: the trained dense network's prunable weights, where `needs_dense`."""
        masks = tickets[UNSTRUCTURED].masks
        other = getattr(structure, "other", None)
        base = None
        if other is not None and other.label in tickets:
            there = tickets[other.label]
            base = Structured(there.masks, there.blocks, there.notes)
        elif other is not None:
            base = self.make(other, index, tickets, trunk, dense)
        weights = {layer.name: trunk[layer.name] for layer in self.layers} if trunk else None
        # The seed names the kind, not the label: two Regroups that differ only in a threshold share their partition.
        return structures.apply(structure, masks, scores=self._scores(structure, masks, trunk, dense), base=base,
                                weights=weights, seed=derive(self.config.seed, structure.kind, index),
                                classifier=[layer.name for layer in self.layers if layer.classifier])

    def start(self, structure: Structure | None, index: int, theta_k: State) -> tuple[State, int]:
        """Weights that the training of a ticket of round `index` starts from, and its first step. structure: None for the unstructured."""
        begins = "rewound" if structure is None else structure.begins
        if begins == "rewound":
            return theta_k, self.first_step(structure)
        return (self.theta_0 if begins == "initial" else self._fresh(index)), 0

    def first_step(self, structure: Structure | None) -> int:
        """Steps of the schedule that a ticket's training leaves out."""
        return self.trainer.resume_step if structure is None or structure.begins == "rewound" else 0

    def _scores(self, structure: Structure, masks: Masks, trunk: State, dense: Weights) -> Weights | None:
        """What the structure ranks that masks and trained weights do not tell."""
        if isinstance(structure, Refill) and structure.score not in ("magnitude", "remain"):
            return scores.of_round(self.model, self.layers, trunk, masks, structure.score, self.trainer)
        if isinstance(structure, Slimming):
            set_state(self.model, trunk)
            return saliency.bn_scales(self.model, self.layers)
        if isinstance(structure, Omp):
            return {name: np.abs(w) for name, w in dense.items()}
        if isinstance(structure, SynFlow):
            set_state(self.model, self.theta_0)
            return saliency.synflow(self.model, self.layers, self.trainer.images.shape, masks.nnz(), iterations=structure.iterations)
        if isinstance(structure, Snip | Grasp):
            if structure.label not in self._known:
                self._known[structure.label] = self._before_training(structure)
            return self._known[structure.label]
        return None

    def _before_training(self, structure: Snip | Grasp) -> Weights:
        set_state(self.model, self.theta_0)
        if isinstance(structure, Snip):
            return saliency.snip(self.model, self.layers, *self.trainer.calibration(), batch=self.config.batch_size)
        images = self.trainer.images
        chosen = saliency.balanced(images.y_train.cpu().numpy(), structure.per_class, derive(self.config.seed, "grasp"))
        x, y = images.training_images(torch.from_numpy(chosen))
        x = x.contiguous(memory_format=device.memory_format(self.config))
        return saliency.grasp(self.model, self.layers, x, y, temperature=structure.temperature, batch=self.config.batch_size)

    def _fresh(self, index: int) -> State:
        """Initial weights of another seed, one a round."""
        images, other = self.trainer.images, derive(self.config.seed, "reinit", index) % 2**31
        return get_state(models.build(self.config.replace(seed=other, device="cpu"), images.shape, len(images.classes)))

    def _check(self, asked: Sequence[Structure]) -> None:
        """ConfigError for what no ticket can be made of, PartitionerMissing when nothing can divide groups."""
        for structure in asked:
            structures.check_layers(structure, [x.name for x in self.layers], [x.name for x in self.layers if x.classifier])
            if isinstance(structure, Regroup):
                partition.check_groups(structure, (layer.matrix[0] for layer in self.layers))
                partitioners.choose(structure.partitioner)
            if isinstance(structure, Slimming) and not saliency.bn_scales(self.model, self.layers):
                raise ConfigError(f"slimming ranks BatchNorm scales, and no convolution of {self.config.model} has a BatchNorm of its own behind it; "
                                  "use filters instead")
            if isinstance(structure, Snip) and self.config.calibration_images < 2:
                raise ConfigError("calibration_images = 1 is too few for snip, which uses BatchNorm's batch statistics; give at least 2")
