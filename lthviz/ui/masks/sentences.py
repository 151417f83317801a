"""What the Masks page says: a ticket with its network's numbers, how alike it is to another, and why it has no |w|."""

from __future__ import annotations

from collections.abc import Sequence

from lthviz.core.likeness import Likeness, likeness
from lthviz.core.stats import coverage, effective
from lthviz.records import Layer, Run, Ticket
from lthviz.ui import stages
from lthviz.ui.masks import against


def totals(run: Run, ticket: Ticket, found: against.Against) -> str:
    """The ticket in a few sentences, with the whole network's numbers."""
    masks, size = ticket.masks, ticket.masks.size()
    said = f"{stages.name(run.config, ticket.round, ticket.structure)} keeps {masks.nnz():,} of {size:,} weights ({100 * masks.density():.1f} %)"
    alive = sum(effective(masks, run.layers, ticket.structural).values())
    if alive != masks.nnz():
        said += f", {alive:,} ({100 * alive / size:.1f} %) once inputs from removed channels are gone"
    if ticket.blocks:
        covered = coverage(masks, ticket.blocks)
        said += f"; {100 * covered.weights:.0f} % of them in dense blocks, in {round(covered.layers * len(run.layers))} of {len(run.layers)} layers"
    said += "."
    if found.masks is not None and found.address is not None:
        alike = likeness(found.masks, masks, list(found.masks))
        of = _other_name(run, ticket, found)
        said += f" Against {of}, {_moved(alike)}."
    return said


def _moved(a: Likeness) -> str:
    """What came back and what went; plain pruning takes away alone."""
    if a.added:
        return f"{a.added:,} weights came back and {f'{a.removed:,}' if a.removed else 'none'} went"
    return f"{a.removed:,} weights went" if a.removed else "no weight changed"


def _other_name(run: Run, ticket: Ticket, found: against.Against) -> str:
    """As short as it is clear: this round's tickets by their name alone."""
    here = (found.address.run, found.address.round) == (run.id, ticket.round)
    if here:
        return against.name(found.address, run, round=False)
    return against.name(found.address, run).replace(", round ", " of round ", 1)


def alike_words(run: Run, ticket: Ticket, found: against.Against, layer: Layer) -> str:
    """Both tickets by their full names, and how alike they are against what chance gives, in the network and in the layer."""
    if found.masks is None or found.address is None:
        return ""
    this = f"{stages.name(run.config, ticket.round, ticket.structure)}, round {ticket.round}" if ticket.round else "Dense"
    names = list(found.masks)
    said = f"{this} and {against.name(found.address, run)} share {_shared(likeness(found.masks, ticket.masks, names))}"
    said += f" over {len(names)} layers" if found.other else ""
    if layer.name in found.masks:
        said += f"; in {layer.short} {_shared(likeness(found.masks, ticket.masks, [layer.name]))}"
    return said + "."


def _shared(a: Likeness) -> str:
    return (f"{a.shared:,} weights, {100 * a.jaccard:.1f} % of those that either keeps (Jaccard index {a.jaccard:.3f}; two unrelated masks of these "
            f"densities: {a.chance_jaccard:.3f})")


def not_comparable(run: Run, found: against.Against) -> list[str]:
    """Layers without a counterpart, in one line."""
    if not found.other or found.address is None:
        return []
    other = against.name(found.address, run)
    if found.masks is None:
        return [f"{other} has no layer of the same name and shape as this network's, so nothing can be compared."]
    return [f"{len(found.other)} of {len(run.layers)} layers have no counterpart of the same name and shape in {other} and are shown alone: {_listed(found.other)}."]


def _listed(layers: Sequence[Layer]) -> str:
    names = [x.short for x in layers]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def why_no_weights(run: Run, ticket: Ticket) -> str:
    """Why a ticket has no trained weights to shade by, and where there are some; '' where it has."""
    if ticket.weights is not None:
        return ""
    kept, name = run.config.keep_weights, stages.name(run.config, ticket.round, ticket.structure)
    if ticket.test_acc is None and kept != "none":
        return f"No |w|: {name} of round {ticket.round} is not trained yet."
    if kept == "trunk":
        trunk = stages.short(run.config, run.config.trunk_of(ticket.round))
        return (f"No |w|: this run stores the trained weights of its trunk alone (keep_weights = trunk), so {trunk} of every trained round has them "
                f"and {name} has not; a run with keep_weights = all stores every ticket's.")
    return f"No |w|: this run stores no trained weights (keep_weights = {kept}); a run with keep_weights = trunk stores those of its trunk, one with all every ticket's."

