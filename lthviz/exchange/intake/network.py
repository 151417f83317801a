"""Which network a file's tensors are of, where nobody says: every network that is known is made without memory and its shapes compared."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from lthviz.choices import MODELS
from lthviz.config import FORMS
from lthviz.errors import ExchangeError
from lthviz.exchange.intake.names import Match, Shape, Shapes, match

IMAGES = {"digits": ((1, 8, 8), 10), "cifar10": ((3, 32, 32), 10), "cifar100": ((3, 32, 32), 100), "fashion-mnist": ((1, 28, 28), 10),
          "tiny-imagenet": ((3, 64, 64), 200), "imagenet": ((3, 224, 224), 1000)}
"""Images (c, h, w) and classes of the data sets that have but one kind."""


def data_for(channels: int) -> str:
    """The data sets of so many channels, for a hint."""
    return "|".join(name for name, ((c, _, _), _) in IMAGES.items() if c == channels) or "|".join(IMAGES)


def data_of(channels: int, classes: int) -> str:
    """The data set of so many channels and classes, where there is but one; ''."""
    fitting = [name for name, ((c, _, _), n) in IMAGES.items() if (c, n) == (channels, classes)]
    return fitting[0] if len(fitting) == 1 else ""


def ends(shapes: Shapes) -> tuple[int, int]:
    """(channels of the images, classes) by the first convolution and the last linear layer, or the 1×1 convolution that a network ends with; 0 classes where
    it ends otherwise. ExchangeError where there is no convolution."""
    weights = [s for s in shapes.values() if len(s) in (2, 4)]
    first = next((s for s in weights if len(s) == 4), None)
    if first is None:
        raise ExchangeError(f"there is no convolution among the {len(shapes)} tensors; a convolutional classifier is needed")
    last = next((s for s in reversed(weights) if len(s) == 2), weights[-1])
    return first[1], last[0] if len(last) == 2 or last[2:] == (1, 1) else 0


def identify(shapes: Shapes, channels: int, classes: int) -> list[tuple[str, str]]:
    """(model, form) of every known network that all these shapes fit, ours first."""
    counted = _counts(shapes)
    found = []
    for model, form, theirs in _known(channels, classes):
        if _counts(theirs) == counted and not match(shapes, theirs).missing:
            found.append((model, form))
    return found


def nearest(shapes: Shapes, channels: int, classes: int) -> str:
    """Words on the known network that most of the shapes fit; '' where none fits half."""
    counted = _counts(shapes)
    best, share = "", 0.5
    for model, form, theirs in _known(channels, classes):
        other = _counts(theirs)
        alike = 2 * sum((counted & other).values()) / max(1, sum(counted.values()) + sum(other.values()))
        if alike > share:
            best, share = model + (f" in form {form}" if form != "auto" else ""), alike
    return best


def auxiliary(name: str) -> bool:
    """Whether a tensor is of a classifier beside the network's own, which some train with."""
    return any(part.lower().startswith("aux") for part in name.split("."))


def _counts(shapes: Shapes) -> Counter[Shape]:
    return Counter(s for n, s in shapes.items() if len(s) in (2, 4) and not auxiliary(n))


@functools.cache
def _known(channels: int, classes: int) -> tuple[tuple[str, str, Shapes], ...]:
    return tuple(_made(channels, classes or 10))     # of half a network: whatever it ends with is not there


def _made(channels: int, classes: int) -> Iterator[tuple[str, str, Shapes]]:
    import torch

    from lthviz.nn.models import BACKBONES

    with torch.device("meta"):
        for name in MODELS:
            for form in (f for f in FORMS if f in BACKBONES[name].smallest):
                yield name, form if len(BACKBONES[name].smallest) > 1 else "auto", _shapes(BACKBONES[name].build(channels, classes, form))
        if channels == 3:
            for name, network in _torchvision(classes):
                yield f"torchvision:{name}", "auto", _shapes(network)


def _torchvision(classes: int) -> Iterator[tuple[str, object]]:
    import importlib

    zoo = importlib.import_module("torchvision.models")
    for name in zoo.list_models(module=zoo):
        if name.startswith(("vit", "swin", "maxvit")):     # nothing that is pruned here
            continue
        try:
            more = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
            yield name, zoo.get_model(name, weights=None, num_classes=classes, **more)
        except Exception as e:
            logging.getLogger(__name__).debug("%s: %s", name, e)


def _shapes(network) -> Shapes:
    return {name: tuple(t.shape) for name, t in network.state_dict().items()}


def misfit(path: str, model: str, missing: Sequence[Match], total: int, shapes: Shapes, left: Collection[str]) -> ExchangeError:
    """What is said where the file's tensors are not that network's, with what they look like. left: those that are none of the network's."""
    channels, classes = ends(shapes)
    like = identify(shapes, channels, classes)
    other = like[0][0] if like else nearest(shapes, channels, classes)
    names = ", ".join(f"{m.name} ({m.why})" for m in missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    have = total - len(missing)
    classifier = len(missing) <= 2 and all(m.found for m in missing)
    if not left and not any(m.found for m in missing):
        return ExchangeError(f"{path} holds {have} of the {total} tensors of {model} and nothing else: a part of a checkpoint; give the file that has all of it (not there: {names})")
    what = f"{path} holds {have} of the {total} tensors of {model}; not there: {names}"
    if classifier:
        return ExchangeError(f"{what}: a classifier of other classes? say which images it was trained on (--data, or --image)")
    if other and other.split(" ")[0] != model:
        return ExchangeError(f"{what}; it looks like {other} of {classes} classes: give that as the model")
    return ExchangeError(f"{what}; it is another architecture: name the network that it was saved from")


def unlike(path: str, model: str, more: Sequence[str], shapes: Shapes) -> ExchangeError:
    """What is said where the file has layers that the network has not: all of that network may be in it, and yet it is another."""
    other = next((m for m, _ in identify(shapes, *ends(shapes)) if m != model), "")
    return ExchangeError(f"{path} has {len(more)} layer{'s' * (len(more) > 1)} that {model} has not ({', '.join(more[:3])}{'…' if len(more) > 3 else ''}), so it is another architecture; "
                         + (f"it looks like {other}: give that as the model" if other else "name the network that it was saved from"))
