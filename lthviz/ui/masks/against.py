"""What a ticket is compared with: any ticket of any run, as the page's address says it and as widgets that write it.

In the address: `against=round` (this round's unstructured ticket), `previous` (the same ticket of the round before), `none`, or
`RUN/ROUND/TICKET`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.core.likeness import layers_in_both
from lthviz.errors import AddressError, LthvizError, did_you_mean
from lthviz.records import Address, Layer, Masks, Round, Run
from lthviz.store.brief import Brief
from lthviz.ui import cache, pickers, several, stages, where

WORDS = {"round": "this round's Unstructured", "previous": "the previous round", "other": "another ticket, of any run …", "none": "nothing"}


class Against(NamedTuple):
    """choice: a key of WORDS, or the label of another ticket of this round. address: None for nothing. masks: of the layers that can be
    compared; None without any. other: layers of the run that cannot. said: what the link asked for and could not have."""

    choice: str
    address: Address | None
    masks: Masks | None
    other: tuple[Layer, ...]
    said: list[str]


def find(run: Run, now: Round, label: str, asked: str) -> Against:
    """What an address's `against` means for a ticket."""
    usual = "round" if label != UNSTRUCTURED and UNSTRUCTURED in now.tickets else "previous"
    if "/" in asked:
        try:
            address = _parse(asked)
            masks = _masks(address)
        except (LthvizError, ValueError) as e:
            said = [f"The link compares with {asked!r}: {e}. Showing {WORDS[usual]}."]
            return _relative(run, now, label, usual)._replace(said=said)
        names = layers_in_both(masks, now.ticket(label).masks)
        other = tuple(layer for layer in run.layers if layer.name not in names)
        kept = Masks({n: masks.packed(n) for n in names}, {n: masks.shape(n) for n in names}) if names else None
        here = (address.run, address.round) == (run.id, now.index)
        choice = "round" if here and address.structure == UNSTRUCTURED != label else address.structure if here and address.structure != label else "other"
        return Against(choice, address, kept, other, [])
    known = ("round", "previous", "none")
    said = [] if not asked or asked in known else [f"The link compares with {asked!r}; it can be {', '.join(known)} or RUN/ROUND/TICKET. Showing {WORDS[usual]}."]
    return _relative(run, now, label, asked if asked in known else usual)._replace(said=said)


def _relative(run: Run, now: Round, label: str, choice: str) -> Against:
    address = None
    if choice == "round" and label != UNSTRUCTURED and UNSTRUCTURED in now.tickets:
        address = Address(run.id, now.index, UNSTRUCTURED)
    elif choice == "previous" and now.index - 1 in run.rounds:
        last = cache.round(run.id, now.index - 1)
        address = Address(run.id, now.index - 1, label if label in last.tickets else next(x for x in (UNSTRUCTURED, *last.tickets) if x in last.tickets))
    return Against(choice if address else "none", address, _masks(address) if address else None, (), [])


def _masks(address: Address) -> Masks:
    return cache.round(address.run, address.round).ticket(address.structure).masks


def _parse(asked: str) -> Address:
    parts = asked.split("/", 2)
    if len(parts) != 3 or not where.number(parts[1]):
        raise ValueError("it should be RUN/ROUND/TICKET, as in digits-1a2b/3/refill")
    known = [b.id for b in cache.briefs()[0]]
    if parts[0] not in known:
        raise AddressError(f"there is no run {parts[0]!r}; {did_you_mean(parts[0], known)}".removesuffix("."))
    return Address(parts[0], int(parts[1]), parts[2])


def name(address: Address, here: Run, *, round: bool = True) -> str:
    """A ticket's full name: with its round, and with its run where that is another one. round: also where it is this run's."""
    run = here if address.run == here.id else cache.run(address.run)
    said = stages.name(run.config, address.round, address.structure) + (f", round {address.round}" if round and address.round else "")
    return said if run is here else f"{said} of {pickers.run_title(run)} ({run.id})"


def text(address: Address) -> str:
    return f"{address.run}/{address.round}/{address.structure}"


def pick(run: Run, now: Round, label: str, found: Against) -> None:
    """What it is compared with, chosen from this round, or from any round of any run."""
    others = [x for x in now.tickets if x not in (label, UNSTRUCTURED)]
    options = [*(["round"] if label != UNSTRUCTURED and UNSTRUCTURED in now.tickets else []), *(["previous"] if now.index - 1 in run.rounds else []),
               *others, "other", "none"]
    key = pickers.showing("pick-against", found.choice)

    def chose(choice: str) -> None:
        where.go(against={"other": text(_elsewhere(run, now, label))}.get(choice) or (choice if choice in WORDS else text(Address(run.id, now.index, choice))))

    st.selectbox("Compared with", options, key=key, width=250, on_change=pickers.heard(key, chose),
                 format_func=lambda x: WORDS.get(x) or f"{stages.short(run.config, x)} of this round")


def _elsewhere(run: Run, now: Round, label: str) -> Address:
    """Where choosing another ticket begins: the nearest other round of this run, else the newest other run, else the ticket itself."""
    near = sorted((k for k in run.rounds if k != now.index), key=lambda k: abs(k - now.index))
    if near:
        tickets = cache.round(run.id, near[0]).tickets
        return Address(run.id, near[0], label if label in tickets else next(iter(tickets)))
    return Address(run.id, now.index, label)


def pick_other(address: Address) -> None:
    """Run, round and ticket of what it is compared with."""
    briefs = {b.id: b for b in several.few(cache.briefs()[0], {address.run}) if b.rounds or b.id == address.run}
    rounds = cache.run(address.run).rounds
    tickets = list(cache.round(address.run, address.round).tickets)
    config = cache.run(address.run).config
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="masks-other"):
        _select("Run compared with", "against-run", list(briefs), address.run, lambda r: _title(briefs[r]), 330, lambda r: _in(r, address))
        _select("its round", "against-round", list(rounds), address.round, str, 110, lambda k: _round(address.run, k, address.structure))
        _select("its ticket", "against-ticket", tickets, address.structure, lambda x: stages.name(config, address.round, x), 240,
                lambda x: address._replace(structure=x))


def _select(label: str, name: str, options: Sequence[Any], current: Any, format: Callable[[Any], str], width: int, to: Callable[[Any], Address]) -> None:
    key = pickers.showing(name, current)
    st.selectbox(label, options, key=key, format_func=format, width=width, on_change=pickers.heard(key, lambda chosen: where.go(against=text(to(chosen)))))


def _title(brief: Brief) -> str:
    return f"{pickers.run_title(brief)} · {brief.id.rsplit('-', 1)[-1]}" + (" · example" if brief.example else "")


def _in(run_id: str, address: Address) -> Address:
    """The same round and ticket of another run, or the nearest that it has."""
    rounds = cache.run(run_id).rounds
    return _round(run_id, min(rounds, key=lambda k: (abs(k - address.round), k)), address.structure)


def _round(run_id: str, index: int, structure: str) -> Address:
    tickets = cache.round(run_id, index).tickets
    return Address(run_id, index, structure if structure in tickets else UNSTRUCTURED if UNSTRUCTURED in tickets else next(iter(tickets)))
