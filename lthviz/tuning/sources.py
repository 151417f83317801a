"""What there is to tune: the masks of a round that every structure starts from, and the trained weights they were pruned by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lthviz.config import UNSTRUCTURED, Refill, Regroup
from lthviz.errors import AddressError, StoreError
from lthviz.records import Address, Masks, Run
from lthviz.seeds import derive
from lthviz.store import Store

TUNABLE = (Refill, Regroup)
"""The structures whose thresholds can be tuned."""


@dataclass(frozen=True, eq=False)
class Source:
    """A round's unstructured masks. weights: of the trunk that the round was pruned from, by layer, zero where its mask was; None where
    they were not kept, and `why` says so."""

    run: Run
    round: int
    masks: Masks
    weights: Mapping[str, np.ndarray] | None
    why: str = ""

    @property
    def classifier(self) -> list[str]:
        """The layers whose rows are the classes."""
        return [layer.name for layer in self.run.layers if layer.classifier]

    def seed(self, kind: str) -> int:
        """What the engine seeds a structure of that kind with in this round."""
        return derive(self.run.config.seed, kind, self.round)


def source(store: Store, run_id: str, round: int) -> Source:
    """The round to tune; AddressError for the dense round, or one that is not pruned yet."""
    run = store.run(run_id)
    if round == 0:
        raise AddressError("round 0 is the dense network: there is nothing to refill or regroup; choose a later round")
    if not run.layers:
        raise AddressError(f"run {run_id!r} has not begun, so it has no masks to tune; wait for its first pruning")
    masks = store.round(run_id, round).ticket(UNSTRUCTURED).masks
    weights, why = _trunk(store, run, round)
    return Source(run, round, masks, weights, why)


def _trunk(store: Store, run: Run, round: int) -> tuple[dict[str, np.ndarray] | None, str]:
    """The trunk's weights that the round was pruned by, and in words why there are none."""
    label = run.config.trunk_of(round - 1)
    try:
        kept = store.ticket(Address(run.id, round - 1, label)).weights
    except (AddressError, StoreError) as e:
        return None, f"the weights that round {round} was pruned by cannot be read: {e}"
    if kept is None:
        return None, (f"this run keeps no weights of round {round - 1} (keep_weights = {run.config.keep_weights!r}), so there is no magnitude; "
                      "a run with keep_weights = 'trunk' has it")
    return {layer.name: kept[layer.name] for layer in run.layers}, ""
