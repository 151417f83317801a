"""The field's standard terms, each with a definition that tooltips, the course and docs/glossary.md share.

    python -m lthviz.glossary > docs/glossary.md

A tooltip writes `help=definition("effective density")`, so that a term means the same wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lthviz.errors import UsageError, did_you_mean

IMP, PAPER = "Frankle and Carbin 2019", "ICML 2022, section "


class Term(NamedTuple):
    """definition: one or two sentences of plain text. source: where the term comes from; '' for one of this project. see: names of related terms."""

    name: str
    definition: str
    source: str = ""
    see: tuple[str, ...] = ()


_ALL = (
    # What is looked for
    Term("lottery ticket", "A sparse part of a network, given by a mask and by the weights that its training starts from. The lottery ticket hypothesis says that a "
         "dense network contains one that, trained alone, reaches the dense network's accuracy in at most as many steps.", IMP, ("mask", "winning ticket", "θk")),
    Term("winning ticket", "A ticket whose mean test accuracy over its replicates is at least the dense network's mean less the tolerance.",
         f"{IMP}; {PAPER}4.1, at the dense accuracy of a single seed", ("tolerance", "replicate", "extreme sparsity")),
    Term("dense network", "The network before anything is pruned, trained in round 0. Its test accuracy is what tickets are held against.", "", ("round", "dense baseline")),
    Term("mask", "A 1 or a 0 for every weight of a layer: kept or removed. A removed weight is held at exactly zero throughout training.", f"{PAPER}3.1", ("density",)),
    Term("prunable weights", "The weights that pruning may remove, and of which a density is the share: those of the convolutions but the stem, never BatchNorm's, and those "
         "of linear layers only where a run prunes them as well.", f"{PAPER}3.1", ("density",)),
    Term("density", "The share of the weights that a mask keeps, of one layer or of all prunable weights.", "", ("sparsity", "effective density", "prunable weights")),
    Term("sparsity", "The share of the weights that a mask removes: 1 − density.", "", ("density", "extreme sparsity")),
    Term("effective density", "The density once dead inputs are taken away too: weights that only read removed channels do nothing and are not counted.", "",
         ("density", "dead input", "removed channel")),
    # How tickets are found
    Term("iterative magnitude pruning (IMP)", "Train, remove the smallest 20 % of the remaining weights in magnitude, over all layers at once, rewind, and repeat. Round i then "
         "has density 0.8^i; the share is a setting.", f"{IMP}; {PAPER}3.1", ("round", "rewinding", "global pruning", "one-shot pruning")),
    Term("one-shot pruning", "Pruning to the wanted density in a single step instead of in rounds. One-shot magnitude pruning (OMP) keeps the largest weights of the trained "
         "dense network.", "Han et al. 2015", ("iterative magnitude pruning (IMP)",)),
    Term("global pruning", "The weights or channels of all layers are ranked together, so that the ranking decides how much each layer keeps.", f"{PAPER}3.1", ("layer-wise pruning",)),
    Term("layer-wise pruning", "Every layer is pruned on its own: it is given how much it keeps, and only its own weights or channels are ranked against each other.", "",
         ("global pruning",)),
    Term("rewinding", "Setting everything in the network, BatchNorm's statistics and the classifier included, back to its value at the rewinding step, before it is trained "
         "under a new mask.", f"Frankle et al. 2020; {PAPER}3.1", ("rewinding step", "θk", "re-initialisation")),
    Term("rewinding step", "The step k of the training, early in it, whose weights θk are remembered for rewinding: 5 % of the training by default.", f"Frankle et al. 2020; {PAPER}4.1",
         ("rewinding", "θk")),
    Term("θ0", "The initial weights of the network, before any training.", IMP, ("θk", "θT")),
    Term("θk", "The weights at the rewinding step k of the dense network's training. A ticket is trained from them with the rest of the schedule.", f"Frankle et al. 2020; {PAPER}3.1",
         ("rewinding step", "θ0", "θT")),
    Term("θT", "The weights at the end of a training. Magnitude pruning looks at their sizes.", f"{PAPER}3.2", ("θ0", "θk")),
    Term("round", "One turn of prune, structures, rewind, train. Round 0 only trains the dense network.", f"{PAPER}3.1", ("stage", "iterative magnitude pruning (IMP)")),
    Term("stage", "One step of a round: the pruning, one structure, the rewinding, or the training of one ticket.", "", ("round",)),
    Term("trunk", "The tickets that are pruned one from another, round after round: the unstructured ones, unless a structure is fed back in-loop.", "", ("branch", "in-loop")),
    Term("branch", "A ticket that a structure makes of a round's mask and that is trained beside the trunk, which goes on without it. A run that goes on from a round of another run "
         "with other settings is called a branch of that run, too.", "", ("trunk", "round")),
    Term("in-loop", "Feeding a structure's mask back into the trunk, so that the next round prunes what the structure left. The paper reports it worse.", f"{PAPER}4.4", ("trunk",)),
    # Structure
    Term("unstructured sparsity", "Single weights are removed wherever they stand. The zeros form no pattern that dense matrix code could leave out.", f"{PAPER}3.1", ("structured sparsity",)),
    Term("structured sparsity", "Weights are kept and removed in whole pieces, such as output channels or dense blocks, so that what is left can be computed by dense matrix code.",
         f"{PAPER}3", ("channel-wise", "group-wise", "structured coverage")),
    Term("N:M sparsity", "Of every m neighbouring weights along the input channels n are kept, for instance 2 of 4: the pattern that sparse tensor cores multiply.", "Mishra et al. 2021",
         ("structured sparsity",)),
    Term("output channel", "One feature map that a convolution computes. Its weights are one row of the layer's matrix, which has a column for every input channel and place in the kernel.",
         f"{PAPER}3.2", ("channel-wise", "removed channel")),
    Term("channel-wise", "By whole output channels: each keeps all its weights or none, as in Refill.", f"{PAPER}3.2", ("Refill", "group-wise")),
    Term("group-wise", "By groups of output channels: those of a group keep the same columns and so form a dense block, as in Regroup.", f"{PAPER}3.3", ("Regroup", "channel-wise")),
    Term("Refill", "Where a layer's kept weights would fill x of its output channels, the ⌈x⌉ channels with the highest score, one at least, are kept whole and the others removed whole.",
         f"{PAPER}3.2, algorithm 1", ("channel score", "Refill+", "removed channel")),
    Term("Refill+", "Refill that keeps more channels: ⌈x + (C − x)·ρ⌉ of a layer's C, where Refill keeps ⌈x⌉.", f"{PAPER}3.2", ("Refill", "ρ")),
    Term("ρ", "The share of the channels that Refill would remove that stay as well in Refill+; with 0 it is Refill.", f"{PAPER}3.2; its VGG example implies about 0.2", ("Refill+",)),
    Term("channel score", "What Refill ranks a layer's output channels by: the sum of |kept weight| (magnitude), the number of kept weights (remain), the norm of the channel's feature map "
         "(l1, l2), or its saliency.", f"{PAPER}3.2", ("Refill", "saliency")),
    Term("saliency", "How much the loss depends on a weight or a channel, estimated from gradients: Σ|F·∂L/∂F| over a channel's feature map F in Refill, |w·∂L/∂w| of a weight in SNIP.",
         f"{PAPER}3.2; Lee et al. 2019", ("channel score",)),
    Term("removed channel", "An output channel without any weight in a structured ticket. Its bias and BatchNorm are removed with it, so that its feature map is zero.", "",
         ("dead input", "effective density")),
    Term("dead input", "An input channel that is always zero, because every layer that feeds it has removed that channel. Weights that read it do nothing.", "",
         ("removed channel", "effective density")),
    # Regroup
    Term("Regroup", "Divides a layer's rows into groups that share columns, and makes of each group one dense block: its rows × as many of its fullest columns as the threshold t1 decides. "
         "What lies in no block becomes zero.", f"{PAPER}3.3, algorithm 2, and the released code", ("partition", "t1", "block", "leftovers")),
    Term("group", "The rows of a layer that Regroup's partition puts together, because they share columns.", f"{PAPER}3.3", ("partition", "group-wise")),
    Term("hypergraph", "A graph whose edges may join any number of vertices. Regroup's has a vertex for every row of a mask and a hyperedge for every column, empty ones left out.",
         f"{PAPER}3.3; Rumi et al. 2020", ("hyperedge", "partition")),
    Term("hyperedge", "An edge that joins any number of vertices; in Regroup a column of the mask, which joins the rows that are non-zero in it.", f"{PAPER}3.3; Rumi et al. 2020", ("hypergraph",)),
    Term("partition", "A division of a hypergraph's vertices, here a layer's rows, into groups of nearly equal size such that the connectivity is small.", f"{PAPER}3.3",
         ("group", "connectivity (km1)")),
    Term("connectivity (km1)", "What a partition makes small: over all columns, the number of groups that a column touches less one, summed. A column whose non-zeros lie in one group costs nothing.",
         f"{PAPER}3.3; Rumi et al. 2020", ("partition", "hyperedge")),
    Term("cut", "In Regroup, how many sorted columns a group's block takes: the smallest i ≥ 1 with i > t1 · L(i). In a partition, by contrast, a hyperedge is cut when it touches more than one group.",
         "released code", ("t1", "L(i)", "partition")),
    Term("t1", "Regroup's threshold: a group's block takes the smallest number i ≥ 1 of sorted columns with i > t1 · L(i). A larger t1 makes wider blocks, which leave fewer weights out.",
         "released code", ("cut", "L(i)")),
    Term("L(i)", "The most non-zeros that a row of the group leaves outside its first i columns, once the columns are sorted by their non-zeros in the group.", "released code", ("cut", "t1")),
    Term("block", "Rows and columns of a layer between which every weight is kept: a small dense matrix. Refill leaves one in a layer, Regroup several.", f"{PAPER}3.3",
         ("tile rows", "minimum rows", "structured coverage")),
    Term("tile rows", "A group of more rows than this is split into two blocks at the largest multiple of it that it holds: with 32, of 70 rows into 64 and 6.", f"b1 in {PAPER}3.3", ("block",)),
    Term("minimum rows", "A group of this many rows or fewer makes no block; in Regroup's variant 'paper', of fewer rows than this.", "released code", ("block", "leftovers")),
    Term("leftovers", "In a layer with blocks, the weights of the rows whose group makes none. They are dropped, as in the released code, or kept unstructured.", "released code",
         ("minimum rows", "structured coverage")),
    Term("structured coverage", "How much of a ticket really lies in dense blocks: the share of its layers that have one, and the share of its kept weights that lie in one.", "",
         ("block", "minimum rows")),
    Term("density inflation", "How many times the density of the round's unstructured ticket a structured one has, because filling blocks or channels brings weights back. It is why methods are "
         "compared at equal density or equal measured speed and not at equal round.", "", ("density", "round")),
    # How it is judged
    Term("control", "A ticket that lacks the very thing that is claimed to matter: the same number of weights or the same structure at random places, or the same mask over fresh weights.",
         f"{PAPER}4; Su et al. 2020", ("random ticket", "re-initialisation")),
    Term("random ticket", "A control with as many weights in every layer as another ticket, at random places; or with that ticket's structure, its channels shuffled.", f"{IMP}; {PAPER}4",
         ("control", "re-initialisation")),
    Term("re-initialisation", "A control: a ticket's mask over fresh random weights, trained with the whole schedule.", f"{IMP}; {PAPER}4", ("control", "rewinding")),
    Term("tolerance", "How far below the dense network's mean a winning ticket's mean test accuracy may lie: one standard deviation of the dense replicates, 0.25 points where there is "
         "one dense training alone, or what is stated.", "", ("winning ticket", "replicate")),
    Term("extreme sparsity", "The sparsity of a method's sparsest winning ticket, by the density that it really has.", f"{PAPER}4", ("winning ticket", "sparsity")),
    Term("replicate", "One of several runs that differ in nothing but the seed.", "", ("seed", "band")),
    Term("seed", "The number from which everything random in a run is derived: initial weights, held-out images, the images' order and changes, partitions and random tickets.", "", ("replicate",)),
    Term("band", "The area around a mean curve up to one standard deviation of the replicates, to either side. A single seed has none.", "", ("replicate", "tolerance")),
    # Speed
    Term("multiply-adds (FLOPs)", "The products of a weight and an activation, each added to a sum, in a forward pass of one image through the prunable layers, dead inputs left out. They count work, not time.", "",
         ("measured speedup", "dead input")),
    Term("measured speedup", "The dense baseline's time over the ticket's for one batch on one machine, by the median ratio of forward passes timed in turn.", "",
         ("dense baseline", "batch", "estimated speed")),
    Term("estimated speed", "What this machine's calibration of the block kernel predicts without running the ticket, as a share of the dense network's time in the same kernel. It is not measured.", "",
         ("measured speedup",)),
    Term("dense baseline", "The fastest form of the dense network that works on the machine, the project's own kernel among them. A ticket's time is held against it.", "", ("measured speedup",)),
    Term("batch", "The images that go through the network together, in a step of training or in a timed forward pass.", "", ("measured speedup",)),
    Term("frontier", "The measured tickets of which no other is at least as fast and as accurate.", "", ("measured speedup",)),
    Term("example run", "A finished run that comes with LTHviz and is looked at like one's own. Nothing in the app changes it.", "", ("branch",)),
)
TERMS: Mapping[str, Term] = MappingProxyType({t.name: t for t in _ALL})
"""Every term by its name, in the order in which they build on each other."""


def spoken(name: str) -> tuple[str, ...]:
    """The forms in which a term stands in a text: of `multiply-adds (FLOPs)` its words and what is in brackets, of `L(i)` itself."""
    found = re.fullmatch(r"(.+) \((.+)\)", name)
    return (found[1], found[2]) if found else (name,)


_BY_FORM = {form: t for t in _ALL for form in {t.name, *spoken(t.name)}}


def term(name: str) -> Term:
    """A term by its name or one of its forms (`multiply-adds`, `FLOPs`); UsageError names the near misses."""
    if name not in _BY_FORM:
        raise UsageError(f"the glossary has no term {name!r}; {did_you_mean(name, TERMS)}")
    return _BY_FORM[name]


def definition(name: str) -> str:
    """What a term means, for a tooltip; UsageError as for `term`."""
    return term(name).definition


def markdown() -> str:
    """docs/glossary.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# Glossary", "", "The standard terms of the field as the app, its tooltips and these documents use them. Written from "
                "[lthviz/glossary.py](../lthviz/glossary.py) by `python -m lthviz.glossary > docs/glossary.md`; change a term there.")
    for t in sorted(_ALL, key=lambda t: t.name.casefold()):
        yield from ("", f"### {t.name}", "", t.definition)
        more = [f"Source: {t.source}."] * bool(t.source)
        more += ["See also: " + ", ".join(f"[{name}](#{_anchor(name)})" for name in t.see) + "."] * bool(t.see)
        if more:
            yield from ("", " ".join(more))


def _anchor(name: str) -> str:
    """As GitHub makes one of a heading."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


if __name__ == "__main__":
    print(markdown(), end="")
