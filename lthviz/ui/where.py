"""Where a page stands: run, round, stage, layer. It is written in the page's address and nowhere else.

So a link, a reload and "back" show the same thing. What an address asks for and cannot have is said in one sentence and the
address is left as it is: a round that is not there yet may come. No round in the address means: follow the newest stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from lthviz.config import UNSTRUCTURED, RunConfig, StageId
from lthviz.errors import did_you_mean, plain_line
from lthviz.records import Layer

LAB, MASKS = ("run", "round", "stage", "layer", "x"), ("run", "round", "ticket", "layer")
SPEED = ("run", "round", "ticket", "layer", "batch", "threads", "device")
CURVES = ("run", "study", "x", "near", "seeds", "unbroken", "tolerance", "baseline", "layers", "batch", "threads", "device")
COMPARE = ("of", "run", "x", "near", "seeds", "unbroken", "tolerance", "baseline", "layers", "pair", "density", "all", "batch", "threads", "device")
TUNE = ("run", "round", "structure", "layer", "scope", "base", "map")
EXCHANGE = ("run", "round", "ticket")
"""What each page has in its address to say where it stands, and under what is measured."""
_BESIDE = {"baseline", "layers"}
"""What means something only beside the others that Compare shows, and is left behind there."""
_PLACE = {"round", "stage", "ticket", "layer"}
_MEMORY, _PAGE, _LEAD = "where", "where-page", "where-lead"


class Position(NamedTuple):
    """A stage of a run that has happened."""

    round: int
    stage: StageId


def text(name: str) -> str:
    """A field of the address as it is written there, with what would move a cursor as escapes; '' when it is not."""
    return plain_line(st.query_params.get(name, ""))


def go(**fields: Any) -> None:
    """Write fields into the address; None or '' removes one."""
    for name, value in fields.items():
        if value in (None, ""):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
    remember()


def at(position: Position) -> dict[str, Any]:
    """A position as fields of an address."""
    return {"round": position.round, "stage": position.stage.key}


def remember() -> None:
    """Keep where this page stands, for the page that is opened next: a stage leads to its ticket, a ticket to its training.

    What this page's address does not speak of stays as the last page left it, as long as the run is the same.
    """
    names, last = set(st.session_state.get(_PAGE, LAB)), st.session_state.get(_MEMORY, {})
    names |= _PLACE if "round" in names else set()
    kept = {k: v for k, v in last.items() if k not in names} if last.get("run") == text("run") else {}
    here = kept | {k: text(k) for k in {*LAB, *MASKS, *SPEED, *CURVES, *TUNE} if text(k)}
    if "stage" in here:
        here["ticket"] = here["stage"].partition(":")[2]
    elif "ticket" in here and "round" in here:
        same = all(last.get(k) == here[k] for k in ("run", "round", "ticket"))
        here["stage"] = last["stage"] if same and "stage" in last else f"train:{here['ticket']}"
    if "structure" not in names and "ticket" in here and last.get("ticket") != here["ticket"]:
        here["structure"] = here["ticket"]       # what was looked at elsewhere is what is tuned next
    st.session_state[_MEMORY] = here


def arrive(names: Iterable[str]) -> None:
    """On a page opened from the menu, go on where the last page was left. names: LAB, MASKS, SPEED, CURVES, TUNE or EXCHANGE."""
    st.session_state[_PAGE] = tuple(names)
    if not {"run", "study", "new", "of"} & set(st.query_params):
        memory = st.session_state.get(_MEMORY, {})
        for name in names:
            if name in memory and ("of" in names or name not in _BESIDE):
                st.query_params[name] = memory[name]
    if text("run"):
        remember()


def lead(page: str, **fields: Any) -> None:
    """Open a page at an address, as soon as the script runs again: for callbacks, which cannot switch the page."""
    st.session_state[_LEAD] = (page, {k: str(v) for k, v in fields.items() if v not in (None, "")})


def follow() -> None:
    """Go where `lead` said, if it did."""
    if _LEAD in st.session_state:
        page, fields = st.session_state.pop(_LEAD)
        st.switch_page(page, query_params=fields)


def leave() -> None:
    """Forget the run, so that the next page begins without one."""
    st.session_state.pop(_MEMORY, None)
    st.query_params.clear()


# Reading, without a page -----------------------------------------------------------------------------------------------


def number(word: str) -> bool:
    """Whether a field of the address is a whole number from 0 on, of no more digits than any has here."""
    return word.isdecimal() and len(word) < 10


def positions(config: RunConfig, rounds: Sequence[int], done_in_last: int | None) -> tuple[Position, ...]:
    """Every stage that has happened, in order. done_in_last: stages done of the last round; None: all of them."""
    out = []
    for k in rounds:
        stages = config.stages(k)
        last = k == rounds[-1] and done_in_last is not None
        out += [Position(k, s) for s in (stages[:done_in_last] if last else stages)]
    return tuple(out)


def find(config: RunConfig, there: Sequence[Position], round: str, stage: str) -> tuple[Position, list[str]]:
    """The position an address names, and what it names that is not there, in sentences. `there` must not be empty."""
    newest = there[-1]
    if not round:
        return newest, []
    rounds = sorted({p.round for p in there})
    if not number(round) or int(round) not in rounds:
        has = f"this run has {_range(rounds)}"
        if number(round) and rounds[-1] < int(round) <= config.rounds:
            has += f" so far, of {config.rounds} to come"
        return newest, [f"The link names round {round}; {has}; showing the last."]
    of_round = [p for p in there if p.round == int(round)]
    for p in of_round:
        if p.stage.key == stage:
            return p, []
    if not stage:
        return of_round[-1], []
    planned = [s.key for s in config.stages(int(round))]
    if stage in planned:
        return of_round[-1], [f"Round {round} has not got to {stage} yet; showing {of_round[-1].stage.key}."]
    return of_round[-1], [f"The link names stage {stage!r} of round {round}; {_ended(did_you_mean(stage, planned))} "
                          f"Showing {of_round[-1].stage.key}."]


def find_layer(layers: Sequence[Layer], name: str) -> tuple[Layer, list[str]]:
    """The layer an address names, by full or short name; the largest where it names none."""
    largest = max(layers, key=lambda x: x.size)
    if not name:
        return largest, []
    for layer in layers:
        if name in (layer.name, layer.short):
            return layer, []
    return largest, [f"The link names layer {name!r}; {_ended(did_you_mean(name, [x.name for x in layers]))} Showing {largest.name}."]


def find_ticket(config: RunConfig, labels: Iterable[str], round: int, name: str) -> tuple[str, list[str]]:
    """The ticket of a round that an address names; the trunk's where it names none."""
    labels = list(labels)
    first = UNSTRUCTURED if UNSTRUCTURED in labels else labels[0]
    if not name or name in labels:
        return name or first, []
    if name in config.tickets(round):
        return first, [f"Round {round} has not got to {config.title(name)} yet; showing {config.title(first)}."]
    if name in config.tickets(1):       # round 0 holds the dense network alone
        return first, []
    return first, [f"The link names ticket {name!r}; {_ended(did_you_mean(name, labels))} Showing {config.title(first)}."]


def _ended(words: str) -> str:
    return words if words.endswith("?") else f"{words}."


def _range(rounds: Sequence[int]) -> str:
    return f"rounds {rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"round {rounds[0]} alone"
