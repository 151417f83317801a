"""One round's masks under a structure's thresholds: turn them and see the layer, the others and the totals, before anything is trained."""

from __future__ import annotations

import dataclasses

import streamlit as st

from lthviz import methods
from lthviz.config import Regroup
from lthviz.errors import ConfigError
from lthviz.glossary import definition
from lthviz.records import Run
from lthviz.tuning import Preview, Source
from lthviz.ui import cache, frame, one_run, pickers, untrained, where
from lthviz.ui.tune import address, data, history, knobs, map, numbers, paper, train
from lthviz.ui.tune.address import Asked
from lthviz.ui.tune.view import tune_view
from lthviz.words import capital

VIEW = "tune-view"
POLL_S = 0.5
STEADY = "<style>.stMainBlockContainer [data-stale=true] { opacity: 1 !important; }</style>"
"""What stands on the page names the settings that it is of and holds until the next is there; what takes long has a progress bar. So nothing
pales, as Streamlit has it after half a second: a click that starts a training takes longer than that where all cores are busy."""


def show(run: Run) -> None:
    """The whole page below the menu."""
    st.html(STEADY)
    one_run.head("Tune", run)
    if not address.pruned(run):
        return untrained.show([run], "Nothing to tune yet", "Thresholds can be turned as soon as its first round is pruned.")
    frame.fragment(_tune)(run)


def _tune(run: Run) -> None:
    """The part that every change redraws."""
    where.follow()
    asked, said = address.asked(run)
    history.note(run.id)
    frame.notes(said)
    of = data.source(run.id, asked.round)
    _pick(asked)
    if why := data.why_not(of, asked.structure):
        knobs.knobs(asked)
        _layer_row(asked)      # the way back stays, by hand and by key
        frame.told("warning", capital(why) + ".", "block")
        train.actions(asked, of, why)
        return
    data.ask(of, asked.structure)
    found, base = data.preview(of, asked.structure.label), _base(of, asked)
    said = numbers.sentence(asked, found) if found else f"{asked.structure.name} of round {asked.round}: {_waiting_words(asked)}."
    frame.said(said)
    knobs.knobs(asked)
    _layer_row(asked)
    if found is None:
        _waiting(of, asked)
    _view(of, asked, base)
    if found is not None:
        st.subheader("The whole network", anchor=False)
        for line in found.warnings:
            frame.told("warning", line, "warning")
        numbers.cards(found, base, of)
        numbers.layer_list(asked, found, base)
    if isinstance(asked.structure, Regroup) and asked.structure.variant == "code":
        map.section(of, asked)
    train.actions(asked, of)


def _layer_row(asked: Asked) -> None:
    """Which layer, and the steps back and forth."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="tune-layer"):
        with st.container(width="content"):
            pickers.pick_layer(asked.run.layers, asked.layer)
        with st.container(horizontal=True, gap="xsmall", width="content", key="tune-undo-row"):
            history.buttons()


def _base(of: Source, asked: Asked) -> Preview | None:
    """What the numbers are held against, as soon as it is known."""
    base = methods.structure(asked.base)
    if data.why_not(of, base):
        return None
    if not data.progress(of, base).ready:
        data.ask(of, base, urgent=False)
    return data.preview(of, asked.base)


def _pick(asked: Asked) -> None:
    """Round, kind, and what to compare with."""
    rounds = address.pruned(asked.run)
    kind, base = pickers.showing("tune-kind", asked.structure.kind), pickers.showing("tune-base", asked.base)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="tune-pick"):
        pickers.pick_round(rounds, asked.round)
        st.segmented_control("Structure", list(address.KINDS), key=kind, required=True, format_func=lambda k: address.KINDS[k].title,
                             help="\n\n".join(f"**{cls.title}**: {definition(cls.title)}" for cls in address.KINDS.values()),
                             on_change=pickers.heard(kind, lambda chosen: _kind(asked, chosen)))
        options = address.bases(asked.run, asked.round, asked.structure.kind)
        if len(options) > 1:
            st.selectbox("Compared with", options, key=base, width=330, on_change=pickers.heard(base, lambda chosen: where.go(base=chosen)),
                         format_func=lambda x: numbers.base_name(asked, x))


def _kind(asked: Asked, kind: str) -> None:
    """The other structure, as it was left, else as the run has it."""
    left = st.session_state.setdefault("tune-left", {})
    left[asked.structure.kind] = asked.structure.label
    labels = address.bases(asked.run, asked.round, kind)
    where.go(structure=left.get(kind, labels[0]), base=None, scope=None)


def _view(of: Source, asked: Asked, base: Preview | None) -> None:
    """The layer's mask with the threshold to drag, as soon as this layer can be drawn."""
    structure, name = asked.structure, asked.layer.name
    if structure.kind == Regroup.kind and structure.variant == "paper":
        paper.view(of, asked)
        return
    given: dict = {}
    if isinstance(structure, Regroup):
        parts = data.divided(of, structure).parts
        if name not in parts:
            return
        given["parts"], start = parts[name], "t1"
    else:
        if asked.layer.classifier:
            frame.told("info", f"The rows of {asked.layer.short} are the classes: Refill leaves its mask as it is. Choose another layer.", "info")
            return
        found = data.channel_scores(of, structure)
        if found is None:
            return
        given["scores"], start = found[name], "rho"
    if of.weights is not None:
        weight = of.weights[name]
        given["magnitude"] = weight.reshape(weight.shape[0], -1)
    own = base.structure.of(name) if base is not None else None
    was = _was(asked, base, start)
    tune_view(of.masks.matrix(name), structure, key=VIEW, layer=asked.layer, title=f"{asked.layer.short} · {structure.title}, round {asked.round}, after Unstructured",
              start=getattr(own, start) if own is not None else None, was=was, on_settle_change=lambda: _settled(asked.run.id, start), **given)


def _was(asked: Asked, base: Preview | None, dragged: str) -> dict[str, float | None] | None:
    """What the layer's numbers are held against: those of its ticket before; None where the dragged threshold alone differs, which the view
    counts itself."""
    if base is None:
        return {}
    if dataclasses.replace(base.structure.of(asked.layer.name), **{dragged: getattr(asked.here, dragged)}) == asked.here:
        return None
    row = next(r for r in base.rows if r.name == asked.layer.name)
    return {"kept": row.kept, "density": row.density, "coverage": row.coverage, "blocks": row.blocks, "magnitude": row.magnitude}


def _settled(run_id: str, name: str) -> None:
    """By the address as it is now: what was drawn last may be older."""
    asked, _ = address.asked(cache.run(run_id))
    settle = (st.session_state.get(VIEW) or {}).get("settle") or {}
    if settle.get("layer") != asked.layer.name or name not in settle:
        return
    try:
        address.go(asked.settled(name, settle[name]))
    except ConfigError as e:
        st.session_state[knobs.REFUSED] = str(e)


# While something is worked out -----------------------------------------------------------------------------------------


def _waiting_words(asked: Asked) -> str:
    if isinstance(asked.structure, Regroup):
        return "the rows are being divided; its masks and numbers come with the last layer"
    return f"the channels are being scored by {asked.structure.score}; the masks come with the scores"


def _waiting(of: Source, asked: Asked) -> None:
    if not _here(of, asked):     # the view's room, so that nothing moves when it comes
        st.html("<style>.st-key-tune-waiting { min-height: 560px; }</style>")
    with st.container(key="tune-waiting"):
        far = data.progress(of, asked.structure)
        frame.fragment(_progress, run_every=None if far.error else POLL_S)(of, asked, _here(of, asked))


def _here(of: Source, asked: Asked) -> bool:
    """Whether the shown layer can be drawn already."""
    return isinstance(asked.structure, Regroup) and asked.layer.name in data.divided(of, asked.structure).partitions


def _progress(of: Source, asked: Asked, drawn: bool) -> None:
    far = data.progress(of, asked.structure)
    if far.ready or _here(of, asked) != drawn:
        st.rerun()
    if far.error:
        frame.told("error", far.error, "error")
        if st.button("Try again", key="tune-retry", icon=":material/refresh:"):
            data.retry(of, asked.structure)
            st.rerun()
        return
    data.ask(of, asked.structure)       # whatever became of the process that should do it
    if isinstance(asked.structure, Regroup):
        doing = f", {far.doing.removesuffix('.weight')} under way" if far.doing else ""
        words = f"{far.done} of {far.total} layers divided{doing}"
    else:
        words = f"Scoring the channels by {asked.structure.score}: the network and its images are loaded first"
    st.progress(far.done / max(1, far.total), text=f"{words}. It is kept, so this is waited for once."
                + (" The process that does it died, and it is tried once more." if far.again else ""))
