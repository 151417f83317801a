"""Who tells the sinks: the store afterwards, or the run while it trains, what was kept before it first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lthviz.ending import reason
from lthviz.errors import ExchangeError, LthvizError, StoreError
from lthviz.records import Checkpoint, Curve, Epoch, Event, Run, Stage
from lthviz.sinks import places
from lthviz.sinks.sink import Sink, Trained
from lthviz.store import Store

log = logging.getLogger("lthviz")


def replay(store: Store, run_id: str, names: Sequence[str], where: str = "") -> list[str]:
    """Tells sinks what the store keeps of a run; where each of them wrote. A training under way is told as far as its last checkpoint.

    ConfigError for a package that is missing; StoreError for whatever a sink cannot do.
    """
    places.require(tuple(names), where)
    run, found = store.run(run_id), []
    if not run.layers:
        raise ExchangeError(f"run {run_id} has not begun: there is nothing to log yet")
    for name in names:
        try:
            sink = places.opened(name, store, run, where)
            sink.begin(run, _head(store, run_id))
            _tell(sink, _history(store, run, store.checkpoint(run_id)))
            sink.kept()
            sink.end(store.status(run_id).state)
        except LthvizError:
            raise
        except Exception as e:
            raise StoreError(f"run {run_id} cannot be logged to {name}{_at(where)}: {reason(e)}") from e
        found.append(sink.where)
    return found


class Live:
    """Tells a run's sinks what happens, as it happens. One that fails is told of in the run's log and then left alone: no training ends by it.

    checkpoint: from which the run goes on.
    """

    def __init__(self, store: Store, run_id: str, names: Sequence[str], checkpoint: Checkpoint | None) -> None:
        self.store, self.run_id = store, run_id
        self.sinks: dict[str, Sink | None] = dict.fromkeys(names)
        self.checkpoint = checkpoint

    def __call__(self, event: Event, kept: bool) -> None:
        """kept: a checkpoint was stored after this event."""
        if not self.sinks:
            return
        if self.checkpoint is not _BEGUN:   # the first event is Begin: only now the store knows the network
            self._begin()
        told = list(self._of(event))
        for name in list(self.sinks):
            self._try(name, lambda sink: (_tell(sink, told), sink.kept() if kept else None))

    def end(self, state: str) -> None:
        if self.checkpoint is _BEGUN:
            for name in list(self.sinks):
                self._try(name, lambda sink: sink.end(state))

    def _begin(self) -> None:
        checkpoint, self.checkpoint = self.checkpoint, _BEGUN
        run = self.store.run(self.run_id)
        history = list(_history(self.store, run, checkpoint))
        self.told = {_key(x): x.epoch if isinstance(x, Epoch) else _DONE for x in history}
        for name in list(self.sinks):
            try:
                self.sinks[name] = places.opened(name, self.store, run)
            except Exception as e:
                self._failed(name, e)
                continue
            self._try(name, lambda sink: (sink.begin(run, _head(self.store, self.run_id)), _tell(sink, history), sink.kept()))

    def _of(self, event: Event) -> Iterator[Epoch | Trained]:
        if isinstance(event, Epoch):
            yield from self._new([event])
        elif isinstance(event, Stage) and event.kind == "train":
            ticket = event.round.tickets[event.structure]
            row = next(r for r in self.store.run(self.run_id).rows if (r["round"], r["structure"]) == (ticket.round, ticket.structure))
            yield from self._new(_trained(Trained(ticket, row)))

    def _new(self, found: Iterable[Epoch | Trained]) -> Iterator[Epoch | Trained]:
        """What was not told yet: of a ticket that a branch took over its epochs were never events, or all was history."""
        for x in found:
            at = x.epoch if isinstance(x, Epoch) else _DONE
            if at > self.told.get(_key(x), 0):
                self.told[_key(x)] = at
                yield x

    def _try(self, name: str, act: Any) -> None:
        try:
            act(self.sinks[name])
        except Exception as e:
            self._failed(name, e)

    def _failed(self, name: str, e: Exception) -> None:
        del self.sinks[name]
        line = f"{name}: {reason(e)}; the training goes on without it, `lthviz log {self.run_id} --to {name}` writes all of it afterwards"
        log.warning("%s: %s", self.run_id, line)
        try:
            self.store.warn(self.run_id, line)
        except StoreError as e:   # a full disk may be what both met
            log.warning("%s: %s", self.run_id, reason(e))


_BEGUN: Any = object()
_DONE = 1 << 30


def _key(x: Epoch | Trained) -> tuple[int, str]:
    return (x.round, x.structure) if isinstance(x, Epoch) else (x.ticket.round, x.ticket.structure)


def _tell(sink: Sink, what: Iterable[Epoch | Trained]) -> None:
    for x in what:
        sink.epoch(x) if isinstance(x, Epoch) else sink.stage(x)


def _history(store: Store, run: Run, checkpoint: Checkpoint | None) -> Iterator[Epoch | Trained]:
    """What will not be trained again, in the order in which it happened."""
    rows = {(r["round"], r["structure"]): r for r in run.rows}
    for index in run.rounds:
        tickets = store.round(run.id, index).tickets
        for label in dict.fromkeys((*run.config.tickets(index), *tickets)):
            if label in tickets and (index, label) in rows:
                yield from _trained(Trained(tickets[label], rows[index, label]))
    if checkpoint is not None and checkpoint.epoch:
        index = checkpoint.round.index
        label = run.config.stages(index)[checkpoint.round.stages_done].structure
        yield from (e for e in store.epochs(run.id, index, label) if e.epoch <= checkpoint.epoch)


def _trained(trained: Trained) -> Iterator[Epoch | Trained]:
    ticket = trained.ticket
    if ticket.curve is not None:
        values = zip(*(getattr(ticket.curve, f).tolist() for f in Curve.FIELDS), strict=True)
        yield from (Epoch(ticket.round, ticket.structure, epochs=ticket.curve.epoch.size, **dict(zip(Curve.FIELDS, v, strict=True))) for v in values)
    yield trained


def _head(store: Store, run_id: str) -> bytes:
    return (store.path(run_id) / "config.json").read_bytes()


def _at(where: str) -> str:
    return f" at {where}" if where else ""
