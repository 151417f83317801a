"""Controls: what a ticket must beat to have been worth finding (ICML 2022, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lthviz.errors import ConfigError
from lthviz.knobs import check, knob
from lthviz.methods.base import UNSTRUCTURED, Structure, structure


def _of() -> str:
    return knob(UNSTRUCTURED, "whose ticket it is a control of: a label such as unstructured, refill or refill-rho=0.2 (inside a label refill~rho=0.2)")


class _Control(Structure):
    """A ticket made from another structure's; inside a label the hyphens of `of` are written as tildes, and read either way."""

    feeds_back: ClassVar[bool] = False
    of: str

    def __post_init__(self) -> None:
        check(self)
        if self.of != UNSTRUCTURED:
            found = structure(self.of.replace("~", "-"))
            if isinstance(found, _Control):
                raise ConfigError(f"of = {self.of!r} is a control itself; name what it is a control of")
            object.__setattr__(self, "of", found.label)

    @property
    def other(self) -> Structure | None:
        """The structure it is a control of; None for the unstructured ticket."""
        return None if self.of == UNSTRUCTURED else structure(self.of)

    @property
    def structural(self) -> bool:
        return self.other is not None and self.other.structural

    @property
    def channelwise(self) -> bool:
        return self.other is not None and self.other.channelwise


@dataclass(frozen=True)
class Random(_Control):
    """A control: as many weights in every layer as another ticket has, at random places.

    Errors: ConfigError for a value that is not known.
    Source: ICML 2022, section 4.
    Example:
        config = lt.RunConfig(structures=(lt.Refill(), lt.Random(of="refill", shuffle="channels")))
    """

    kind: ClassVar[str] = "random"
    title: ClassVar[str] = "Random"
    feeds_back: ClassVar[bool] = True
    shuffle: str = knob("weights", "what is moved to random places inside each layer", choices={
        "weights": "every kept weight on its own",
        "channels": "output and input channels as a whole, so that the structure stays; of the unstructured ticket: whole output "
                    "channels, as many as Refill keeps"})
    of: str = _of()

    @property
    def structural(self) -> bool:
        return self.shuffle == "channels" and (self.of == UNSTRUCTURED or super().structural)

    @property
    def channelwise(self) -> bool:
        return self.shuffle == "channels" and (self.of == UNSTRUCTURED or super().channelwise)

    @property
    def name(self) -> str:
        words = ["shuffle channels"] * (self.shuffle == "channels") + [f"as {self.other.name}" if self.other else ""]
        said = ", ".join(filter(None, words))
        return self.title + (f" ({said})" if said else "")


@dataclass(frozen=True)
class Reinit(_Control):
    """A control: another ticket's mask over fresh random weights, trained with the whole schedule."""

    kind: ClassVar[str] = "reinit"
    title: ClassVar[str] = "Re-initialised"
    begins: ClassVar[str] = "fresh"
    of: str = _of()

    @property
    def name(self) -> str:
        return self.title + (f" {self.other.name}" if self.other else "")
