"""What has come: the files read, every tensor matched to the network, every layer's mask found. Nothing is stored here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lthviz.choices import MODELS
from lthviz.config import RunConfig
from lthviz.errors import ExchangeError
from lthviz.exchange import parcel
from lthviz.exchange.intake import folders, masking, network, tensors
from lthviz.exchange.intake.came import Arrival, Asked, Came, Image
from lthviz.exchange.intake.names import OPTIONAL, Matched, match
from lthviz.exchange.intake.tensors import FLOATS, Found
from lthviz.records import Layer


def look(path: Path, asked: Asked | None = None) -> Arrival:
    """What is in a file or a folder, as it would be taken in. ExchangeError, MaskError and ConfigError: what cannot be, with the way out."""
    asked = asked or Asked()
    if path.is_dir() and (more := [f"--{n}" for n, given in (("masks", asked.masks), ("dense", asked.dense), ("rewind-to", asked.rewind)) if given is not None]):
        raise ExchangeError(f"{path} is a folder of rounds, which has its masks and weights in it; leave {' and '.join(more)} out")
    levels = folders.read(path) if path.is_dir() else folders.Levels("file", (folders.Level(1, path, asked.masks),), asked.rewind)
    files = [tensors.read(level.weights) for level in levels.levels]
    said = [s for f in files[-1:] for s in f.said]
    about = files[-1].about
    plain = _plain(files[-1], said)
    if levels.kind == "file" and _masks_only(plain) and len(plain) > 1:
        raise ExchangeError(f"{path} holds masks and no weights: give the weights, and this file as the masks (--masks)")
    config, image, classes = _settings(asked, about, levels, plain, str(path), said)
    model, layers = _build(config, image, classes)
    shapes = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    rounds = [_came(level, file, config, shapes, said if file is files[-1] else []) for level, file in zip(levels.levels, files, strict=True)]
    rounds = [dataclasses.replace(r, told=masking.told(r, level.masks)) for r, level in zip(rounds, levels.levels, strict=True)]
    if (linear := masking.linear_of(rounds, model, config)) != config.linear:
        config = config.replace(linear=linear)
        _, layers = _build(config, image, classes)
        said.append(f"linear layers have masks too: linear = {linear}")
    rounds = [dataclasses.replace(r, **masking.found(r, layers, said if r is rounds[-1] else [])) for r in rounds]
    rounds = _numbered(rounds, levels, asked, config, shapes, said)
    rewind = _rewind(levels.rewind, files[0], shapes, said)
    config = config.replace(rounds=rounds[-1].round)
    return Arrival(path.name, levels.kind, config, image, classes, tuple(layers), shapes, tuple(rounds), rewind, tuple(said))


def _plain(file: Found, said: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of the file's weights by the names that they have without pruning."""
    halves = sorted({t.dtype for t in file.weights.values()} & {"float16", "bfloat16", "float64"})
    if halves:
        said.append(f"weights are {' and '.join(halves)} and become float32")
    return {n: t.shape for n, t in file.weights.items()}


def _masks_only(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether nothing but masks is there: no vector (a BatchNorm's or a bias) beside the matrices."""
    return not any(len(s) == 1 for s in shapes.values())


def _settings(asked: Asked, about: parcel.About | None, levels: folders.Levels, shapes: Mapping[str, tuple[int, ...]], path: str, said: list[str]) -> tuple[RunConfig, Image, int]:
    channels, classes = network.ends(shapes)
    if about is not None and not (asked.model or asked.data or asked.image):
        here = RunConfig()     # where and with what something works is never a file's to say
        place = {name: getattr(here, name) for name in (*about.config.place, "data_dir", "keep_weights")}
        config = about.config.replace(parent="", from_round=0, earlier=(), structures=(), in_loop="", imported="", **place)
        return _with(config, asked), about.image_shape, len(about.classes)
    data = asked.data or levels.data or ("folder" if asked.image else network.data_of(channels, classes) if classes else "")
    if not data:
        raise ExchangeError(f"{path} is a network for images of {channels} channel{'s' * (channels != 1)} and {classes} classes; say which: --data {network.data_for(channels)}, "
                            f"or --image {channels}xHxW for images of your own")
    known = network.IMAGES.get(data)
    image = asked.image or (known[0] if known else None)
    if image is None:
        raise ExchangeError(f"data = {data!r} may be images of any size; say of which: --image {channels}xHxW")
    if known and not classes:     # a network that ends elsewhere, or half of one: matching says what is missing
        classes = known[1]
    if not classes:
        raise ExchangeError(f"{path} ends with no classifier that tells its classes; say which images it was trained on: --data {'|'.join(network.IMAGES)}")
    if image[0] != channels or (known and known[1] != classes):
        raise ExchangeError(f"{path} is a network for {channels} channels and {classes} classes; {data!r} has {image[0]} channels" + (f" and {known[1]} classes" if known else "")
                            + ": give the images that it was trained on")
    if not asked.data and not levels.data and not asked.image:
        said.append(f"taken to be a network for {data}: {channels} channels, {classes} classes; say so with data if it is not")
    model, form = asked.model or levels.model, asked.form or "auto"
    if not model:
        like = network.identify(shapes, channels, classes)
        if not like:
            near = network.nearest(shapes, channels, classes)
            raise ExchangeError(f"{path} is a network that is not known by its shapes" + (f" (the nearest is {near})" if near else "") +
                                "; name it with --model, one of ours, torchvision:NAME or timm:NAME")
        model = like[0][0]
        form = _form(model, like)
        others = list(dict.fromkeys(m for m, _ in like if m != model))
        said.append(f"by its shapes it is {model}" + (f" in form {form}" if form != "auto" else "") + (f" (or {', '.join(others[:3])}; say so with model)" if others else ""))
    else:
        form = asked.form or _form(model, network.identify(shapes, channels, classes) if model in MODELS else [])
    return _with(RunConfig(model=model, form=form, data=data, structures=()), asked), image, classes


def _form(model: str, like: list[tuple[str, str]]) -> str:
    """The form in which a network of ours has the file's shapes, where only one has; `auto` goes by the images."""
    fitting = [f for m, f in like if m == model]
    return fitting[0] if len(fitting) == 1 else "auto"


def _with(config: RunConfig, asked: Asked) -> RunConfig:
    return config.replace(**{k: v for k, v in (("data_dir", asked.data_dir), ("form", asked.form)) if v}, **asked.settings)


def _build(config: RunConfig, image: Image, classes: int) -> tuple[Any, tuple[Layer, ...]]:
    from lthviz.nn import models, topology

    model = models.build(config.replace(device="cpu"), image, classes)
    return model, topology.layers(model, image, linear=config.linear)


def _came(level: folders.Level, file: Found, config: RunConfig, shapes: Mapping[str, tuple[int, ...]], said: list[str]) -> Came:
    theirs = {n: t.shape for n, t in file.weights.items()}
    matched = match(theirs, shapes)
    if matched.missing:
        raise network.misfit(str(file.path), config.model, matched.missing, sum(not n.endswith("num_batches_tracked") for n in shapes), theirs, matched.left)
    if more := [n for n in matched.left if len(theirs[n]) in (2, 4) and not network.auxiliary(n)]:
        raise network.unlike(str(file.path), config.model, more, theirs)
    for ours, name in matched.found.items():
        if (kind := file.weights[name].dtype) not in FLOATS and not ours.endswith(OPTIONAL):
            raise ExchangeError(f"{file.path}: {name!r} is {kind}; weights of {', '.join(sorted(FLOATS))} are read: "
                                + ("give the network as it was before quantisation, in floating point" if kind in ("int8", "uint8", "quantised") else "save it as one of those"))
    if matched.prefix:
        said.append(f"names begin with {matched.prefix!r}, which is left out")
    if by_order := [m.name for m in matched.matches if m.how == "order"]:
        said.append(f"{len(by_order)} of {len(shapes)} tensors have other names and were matched by the order of layers of their shapes: look through the table")
    if matched.biases:
        said.append(f"{len(matched.biases)} convolutions have a bias there and none here: the BatchNorm behind each takes it over")
    if left := [n for n in matched.left if not n.endswith("num_batches_tracked")]:
        said.append(f"{len(left)} tensor{'s' * (len(left) > 1)} of the file {'are' if len(left) > 1 else 'is'} not used ({', '.join(left[:3])}{'…' if len(left) > 3 else ''})")
    return Came(level.round, file, matched, None, {}, level.claims)


def _numbered(rounds: list[Came], levels: folders.Levels, asked: Asked, config: RunConfig, shapes: Mapping[str, tuple[int, ...]], said: list[str]) -> list[Came]:
    """Round 0 in front of a single network: the dense one's file, or what came without its masks. A network without a zero is round 0 itself."""
    if levels.kind != "file":
        return [dataclasses.replace(rounds[0], masks=None), *rounds[1:]]
    one = rounds[0]
    if one.masks is None or one.masks.nnz() == one.masks.size():
        if asked.dense is not None:
            raise ExchangeError(f"{one.file.path} is a dense network itself: leave the other one ({asked.dense}) out")
        said.append("no weight is masked: it is taken in as a dense network, to be pruned here")
        return [dataclasses.replace(one, round=0, masks=None)]
    if asked.dense is None:
        return [dataclasses.replace(one, round=0, masks=None, claims={}), one]
    try:
        dense = _came(folders.Level(0, asked.dense), tensors.read(asked.dense), config, shapes, said)
    except ExchangeError as e:
        raise ExchangeError(f"the dense network's weights do not go with {one.file.path}: {e}") from None
    if dense.file.masks:
        raise ExchangeError(f"{asked.dense} has masks itself; give the weights of the network before it was pruned, or leave it out")
    return [dense, one]


def _rewind(path: Path | None, first: Found, shapes: Mapping[str, tuple[int, ...]], said: list[str]) -> tuple[Found, Matched] | None:
    if path is not None:
        file = tensors.read(path)
    elif first.more:
        key = next(k for k in tensors.INITIAL_KEYS if k in first.more)
        file = dataclasses.replace(first, tensors=first.more[key])
    else:
        return None
    matched = match({n: t.shape for n, t in file.weights.items()}, shapes)
    if matched.missing:
        raise ExchangeError(f"{file.path}: the weights to rewind to have no {matched.missing[0].name} ({matched.missing[0].why}); give others, or leave them out")
    said.append(f"weights to rewind to: {path.name if path else 'init_weight of the file'}")
    return file, matched
