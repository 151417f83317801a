"""Which tensor of a file is which of the network's: by name, without wrappers' prefixes, else by the order in which layers of the same shapes stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
WRAPPERS = ("module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "student", "ema", "base_model", "_forward_module")
"""What a program puts before every name: DataParallel, torch.compile, a network inside another."""
INNER = frozenset({"_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod"})
"""What wraps single modules, anywhere in a name: FSDP, activation checkpointing, torch.compile."""
OPTIONAL = ("num_batches_tracked",)
"""What a file may leave out: nothing that a network computes depends on it."""


class Match(NamedTuple):
    """How one tensor of the network was found. name: the network's. found: the file's, '' where there is none. how: `name`, `renamed` (without a prefix),
    `order` (its place among layers of those shapes), `bias` (see `Matched.biases`) or ''. why: what is wrong, '' where it was matched."""

    name: str
    shape: Shape
    found: str
    how: str
    why: str = ""


class Matched(NamedTuple):
    """matches: one a tensor of the network. left: the file's tensors that are not the network's, with the reason. prefix: what was taken off every name. biases: by a
    convolution without a bias, the file's bias of it, which the BatchNorm behind it can take over."""

    matches: tuple[Match, ...]
    left: Mapping[str, str]
    prefix: str
    biases: Mapping[str, str]

    @property
    def missing(self) -> tuple[Match, ...]:
        return tuple(m for m in self.matches if m.why and not m.name.endswith(OPTIONAL))

    @property
    def found(self) -> dict[str, str]:
        """The file's name of each tensor that was found, by the network's."""
        return {m.name: m.found for m in self.matches if m.found and not m.why}


def match(file: Shapes, network: Shapes) -> Matched:
    """Every tensor of `network` looked for in `file`; both in the order in which they stand in their state dicts."""
    inner = {".".join(x for x in n.split(".") if x not in INNER): n for n in file}
    if len(inner) == len(file) and any(n != inner[n] for n in inner):
        cleaned = match({n: file[inner[n]] for n in inner}, network)
        return cleaned._replace(matches=tuple(m._replace(found=inner.get(m.found, ""), how="renamed" if m.how == "name" else m.how) for m in cleaned.matches),
                                left={inner[n]: why for n, why in cleaned.left.items()}, biases={w: inner[b] for w, b in cleaned.biases.items()})
    prefix = _prefix(file, network)
    bare = {n.removeprefix(prefix): n for n in file}
    how = "renamed" if prefix else "name"
    found = {n: Match(n, s, bare[n], how, "" if file[bare[n]] == s else _differs(file[bare[n]], s)) for n, s in network.items() if n in bare}
    biases: dict[str, str] = {}
    good = {n for n, m in found.items() if not m.why}
    needed = [n for n in network if not n.endswith(OPTIONAL)]
    if len(good.intersection(needed)) < len(needed):
        taken = {found[n].found for n in good}
        by_order, biases = _by_order({n: s for n, s in file.items() if n not in taken}, {n: s for n, s in network.items() if n not in good})
        found |= {n: Match(n, network[n], other, "order") for n, other in by_order.items()}
    matches = tuple(found.get(n) or Match(n, s, "", "", "it is not in the file") for n, s in network.items())
    used = {m.found for m in matches if not m.why} | set(biases.values())
    return Matched(matches, {n: _why_left(n) for n in file if n not in used}, prefix, biases)


def _prefix(file: Shapes, network: Shapes) -> str:
    """The wrappers' prefix without which most names are the network's."""
    found, best = "", sum(n in network for n in file)
    prefixes = {""}
    for name in file:
        parts, at = name.split("."), ""
        while parts and parts[0] in WRAPPERS:
            at += f"{parts.pop(0)}."
            prefixes.add(at)
    for prefix in sorted(prefixes, key=len):
        hits = sum(n.startswith(prefix) and n.removeprefix(prefix) in network for n in file)
        if hits > best:
            found, best = prefix, hits
    return found


class _Module(NamedTuple):
    """The tensors of one module: its name and what it is by the shapes of its parts."""

    name: str
    parts: Mapping[str, Shape]

    @property
    def kind(self) -> str:
        weight = self.parts.get("weight", ())
        return {4: "convolution", 2: "linear"}.get(len(weight), "norm" if "running_mean" in self.parts or len(weight) == 1 else "other")

    @property
    def shape(self) -> Shape:
        return self.parts.get("weight", ())


def _modules(shapes: Shapes) -> list[_Module]:
    parts: dict[str, dict[str, Shape]] = {}
    for name, shape in shapes.items():
        owner, _, leaf = name.rpartition(".")
        parts.setdefault(owner, {})[leaf] = shape
    return [m for m in (_Module(n, p) for n, p in parts.items()) if m.kind != "other"]


def _by_order(file: Shapes, network: Shapes) -> tuple[dict[str, str], dict[str, str]]:
    """The network's tensors in the file's, module by module of the same kinds and shapes in the same order; nothing where the two are not of one pattern."""
    out: dict[str, str] = {}
    biases: dict[str, str] = {}
    theirs, ours = _modules(file), _modules(network)
    if _alphabetical(theirs):     # then the order tells nothing of where a layer stands, and stage3.10 comes before stage3.2
        return {}, {}
    for kinds in (("convolution", "linear"), ("norm",)):   # some write all norms behind the convolutions
        a, b = ([m for m in modules if m.kind in kinds] for modules in (theirs, ours))
        pairs = list(zip(a, b, strict=True)) if [m.shape for m in a] == [m.shape for m in b] else _alone(a, b)
        for one, other in pairs:
            out |= {_joined(other.name, p): _joined(one.name, p) for p in other.parts if one.parts.get(p) == other.parts[p]}
            if other.kind == "convolution" and "bias" in one.parts and "bias" not in other.parts:
                biases[_joined(other.name, "weight")] = _joined(one.name, "bias")
    return out, biases


def _alphabetical(modules: Sequence[_Module]) -> bool:
    """Whether the names were sorted, as safetensors does, and there are layers that only their order tells apart."""
    weights = [m for m in modules if m.kind in ("convolution", "linear")]
    names = [m.name for m in weights]
    return len(names) > 3 and names == sorted(names) and len({m.shape for m in weights}) < len(weights)


def _alone(a: Sequence[_Module], b: Sequence[_Module]) -> list[tuple[_Module, _Module]]:
    """Those of a shape that each side has once: nothing else it could be, where most of the network is there."""
    def once(modules: Iterable[_Module]) -> dict[Shape, _Module]:
        by: dict[Shape, list[_Module]] = {}
        for m in modules:
            by.setdefault(m.shape, []).append(m)
        return {s: m[0] for s, m in by.items() if len(m) == 1}

    one, other = once(a), once(b)
    return [(one[s], other[s]) for s in other if s in one and len(s) > 1]


def _joined(owner: str, leaf: str) -> str:
    return f"{owner}.{leaf}" if owner else leaf


def _differs(has: Shape, wants: Shape) -> str:
    return f"it has shape {_words(has)} there and {_words(wants)} here"


def _why_left(name: str) -> str:
    if "normalize" in name or "normalise" in name:
        return "a normalisation of images inside their network: here images are normalised by the statistics of the training set"
    if name.endswith(OPTIONAL):
        return "a counter that nothing depends on"
    return "this network has no tensor of that name or place"


def _words(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "no dimension"
