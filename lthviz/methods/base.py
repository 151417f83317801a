"""What every method of making a ticket has in common, and how one is read from text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import check, known, non_default, parse, plain

UNSTRUCTURED = "unstructured"
"""The label of a round's magnitude-pruned ticket; round 0's is the dense network."""


@dataclass(frozen=True)
class Structure:
    """A way to make a ticket of a round's own density; each subclass has only its own knobs.

    begins: where the training of its tickets starts. `rewound`: from θk with the rest of the schedule; `initial`: from the
    network's initial weights with the whole schedule; `fresh`: from other random weights, with the whole schedule.
    feeds_back: whether the trunk can go on from it (`in_loop`).
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    begins: ClassVar[str] = "rewound"
    feeds_back: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self)

    @property
    def structural(self) -> bool:
        """Whether a row without weights is a removed channel, its BatchNorm removed with it."""
        return True

    @property
    def channelwise(self) -> bool:
        """Whether it keeps or removes output channels as a whole."""
        return False

    @property
    def label(self) -> str:
        """Its address inside a run: the kind and whatever is not default, e.g. `regroup-groups=4-t1=2.0`."""
        return "-".join([self.kind, *(f"{k}={plain(v).replace('-', '~') if k == 'of' else plain(v)}" for k, v in non_default(self).items())])

    @property
    def name(self) -> str:
        """Its name for people, e.g. `Refill+ (ρ 0.2)`."""
        rest = ", ".join(f"{k} {plain(v)}" for k, v in non_default(self).items())
        return self.title + (f" ({rest})" if rest else "")

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **non_default(self)}


STRUCTURES: dict[str, type[Structure]] = {}
"""Every method by its kind, in the order in which they are offered; filled where all are known."""


def structure(value: Structure | Mapping[str, Any] | str) -> Structure:
    """A structure from itself, from a mapping with `kind`, or from its label (`refill-rho=0.2`)."""
    if isinstance(value, Structure):
        return value
    if isinstance(value, str):
        kind, *rest = re.split(r"-(?=[a-z_0-9]+=)", value)
        pairs = _others_settings(kind, [p.partition("=")[::2] for p in rest])
        if len({k for k, _ in pairs}) < len(pairs):
            raise ConfigError(f"structure {value!r} sets something twice; give each setting once")
        value = {"kind": kind, **{k: parse(v) for k, v in pairs}}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ConfigError(f"structure {value!r} should be a label such as 'refill' or a table with kind = one of {', '.join(STRUCTURES)}")
    values = dict(value)
    kind = values.pop("kind")
    if not isinstance(kind, str) or kind not in STRUCTURES:
        raise ConfigError(f"structure {kind!r} is not known; {did_you_mean(str(kind), STRUCTURES)}")
    _check_whose(kind, values)
    return STRUCTURES[kind](**known(STRUCTURES[kind], values, f"setting of {kind}"))


def _others_settings(kind: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A label's settings, where what follows `of=` and is no setting of the control itself is of the ticket named there: in
    `random-of=refill-rho=0.2` as in `random-of=refill~rho=0.2`."""
    own, out = _settings(kind), []
    for key, text in pairs:
        named = next((i for i, (k, _) in enumerate(out) if k == "of"), None)
        if "of" in own and key not in own and named is not None and out[named][1] != UNSTRUCTURED:
            out[named] = "of", f"{out[named][1]}~{key}={text}"
        else:
            out.append((key, text))
    return out


def _check_whose(kind: str, values: Mapping[str, Any]) -> None:
    """ConfigError for a control that is given a setting of another method, with the place where that belongs."""
    own = _settings(kind)
    for key in values if "of" in own else ():
        if key not in own and (whose := [k for k in STRUCTURES if key in _settings(k)]):
            raise ConfigError(f"{key!r} is not a setting of {kind} but of {' and '.join(whose)}; give it behind that ticket's name, as in "
                              f"{kind}-of={whose[0]}~{key}={plain(values[key])}")


def _settings(kind: str) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(STRUCTURES[kind])) if kind in STRUCTURES else ()


@lru_cache(maxsize=1024)
def structural(label: str) -> bool:
    """Whether a row without weights is a removed channel in the tickets of that label."""
    return label != UNSTRUCTURED and structure(label).structural
