"""Branching a run in the browser: the form with what may differ, what is taken over and what it costs; and a run's family."""

from __future__ import annotations

import html

import streamlit as st

from lthviz import branching, launch
from lthviz.commands import apply, branch_command, differences
from lthviz.config import RunConfig
from lthviz.errors import ConfigError, LthvizError
from lthviz.records import Run
from lthviz.ui import access, cache, forms, frame, pickers, signin, where
from lthviz.words import capital

MOST = 6
"""So many relatives of a run are named, and drawn beside it."""


def new_branch(run: Run) -> None:
    """The page on which a run is branched; its address holds the round and what is set."""
    last = _last(run)
    round, said = _round(run, last)
    base = branching.settings(run)
    free = branching.free(run) & set(forms.FIELDS)
    st.title(f"Branch from round {round}", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="branch-of"):
        frame.quiet(f"of {pickers.run_title(run)} · {run.id}", width="content")
        st.button("Back to the run", key="branch-back", icon=":material/arrow_back:", type="tertiary", on_click=_open, args=(run.id, max(0, min(round, last))))
    st.html(f"<p class='lead'>A new run that keeps {_kept(round)} of this one as {'they are' if round > 1 else 'it is'}, and makes round {round} and "
            "what follows under other settings. This run stays as it is.</p>")
    if last < 0:
        frame.told("info", "No round of this run is finished yet, so there is nothing to branch from. Come back when its dense network is trained.", "hourglass_empty")
        return
    key = pickers.showing("pick-branch", round)
    st.segmented_control("First round of its own", list(range(1, last + 2)), key=key, required=True, width="content",
                         on_change=lambda: _choose(key))
    words = st.query_params.get_all("set")
    begin = f"branch:{run.id}"
    if st.session_state.get("form-base") != begin:
        st.session_state["form-base"] = begin
        filled = base.replace(rounds=max(base.rounds, round))
        try:
            asked = apply(filled, words)
            if fixed := [name for name in forms.FIELDS if name not in free and getattr(asked, name) != getattr(base, name)]:
                said.append(f"The link sets {', '.join(fixed)}, which a branch has from its parent; a new run can change that.")
            forms.fill(asked)
        except ConfigError as e:
            said.append(f"The link's settings could not all be taken: {e}. Showing those of the run.")
            forms.fill(filled)
    frame.notes(said)
    top = st.container(key="start-bar")
    st.subheader("Settings", anchor=False)
    config = forms.config_form(base, free)
    _fixed(base, free)
    if config is not None:
        _remember(differences(config, base), words)
    with top:
        _start(run, round, config, base)


def _last(run: Run) -> int:
    """The last of the rounds that are finished without a gap; -1 before the dense network is trained."""
    return next(k for k in range(len(run.rounds) + 1) if k not in run.finished) - 1


def _round(run: Run, last: int) -> tuple[int, list[str]]:
    asked = where.text("branch")
    if where.number(asked) and 1 <= int(asked) <= max(last, 0) + 1:
        return int(asked), []
    round = max(1, last)
    return round, [f"The link branches at round {asked}; rounds 1 to {max(last, 0) + 1} will do. Showing round {round}."]


def _choose(key: str) -> None:
    """Another round. A browser that has left the page may still speak of its widgets, and is not to be led back."""
    if where.text("branch"):
        where.go(branch=st.session_state[key])


def _kept(round: int) -> str:
    return "round 0, the dense network," if round == 1 else "rounds 0 and 1" if round == 2 else f"rounds 0 to {round - 1}"


def _fixed(base: RunConfig, free: frozenset[str]) -> None:
    """What a branch cannot change, as it is."""
    with st.expander("Fixed: what the rounds before rest on", expanded=False, type="compact", key="form-group-fixed"):
        cells = [f"<div><dt>{forms.title(name)}</dt><dd>{_value(getattr(base, name))}</dd></div>"
                 for names in forms.GROUPS.values() for name in names if name not in free]
        st.html(f"<dl class='fixed-settings'>{''.join(cells)}</dl><style>.fixed-settings{{display:flex;flex-wrap:wrap;gap:.5rem 1rem;margin:0}}"
                ".fixed-settings div{width:208px}.fixed-settings dt{opacity:.66;font-size:.85rem}.fixed-settings dd{margin:0;overflow-wrap:anywhere}</style>")


def _value(value: object) -> str:
    return html.escape(", ".join(map(str, value)) if isinstance(value, tuple) else str(value)) or "–"


def _remember(now: list[str], words: list[str]) -> None:
    if now and now != words:
        st.query_params["set"] = now
    elif not now:
        st.query_params.pop("set", None)


def _start(run: Run, round: int, config: RunConfig | None, base: RunConfig) -> None:
    plan, refused = None, "A setting below is refused; the reason stands under it."
    if config is not None:
        try:
            plan = branching.plan(cache.store(), run.id, round, config)
        except LthvizError as e:
            refused = str(e)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        go = st.button("Branch", type="primary", icon=":material/fork_right:", key="branch-start", **access.locked(plan is None))
        title = st.text_input("Title", key="branch-title", placeholder="its name, if you like", width=260, persist_state="session")
        paused = st.toggle("Wait before the first stage", key="start-paused", persist_state="session",
                           help="The run begins paused, so that you can step through it from the beginning")
    signin.note()
    if plan is None:
        frame.refused(refused)
        return
    said = branching.words(plan)
    st.caption(frame.plain(f"{capital(said)}.") + f" Run `{plan.config.run_id}`.")
    if cache.store().exists(plan.config.run_id):
        st.caption(f"This very branch is here already ({cache.store().status(plan.config.run_id).state}); starting it opens it, or resumes it where it stopped.")
    frame.command(branch_command(run.id, round, config, base, title))
    if go:
        try:
            access.require()
            made = launch.branch(cache.store(), run.id, round, config, title=title, paused=paused)
        except LthvizError as e:
            frame.told("error", str(e), "error")
            return
        where.leave()
        st.switch_page("pages/lab.py", query_params={"run": made})


# A run's family ------------------------------------------------------------------------------------------------------------


def relatives(run: Run) -> list[Run]:
    """The run's parent, its branches and its parent's other branches, as far as they are there: the nearest first, MOST at most."""
    found, _ = cache.briefs()
    parent = [b.id for b in found if b.id == run.parent]
    children = [b.id for b in found if b.parent == run.id]
    beside = [b.id for b in found if run.parent and b.parent == run.parent and b.id != run.id]
    out = []
    for run_id in [*parent, *children, *beside][:MOST]:
        try:
            out.append(cache.run(run_id))
        except LthvizError:   # deleted, or unreadable: the list of runs says so
            continue
    return out


def line(run: Run) -> None:
    """Where a branch comes from, and what was branched from a run; nothing for a run that stands alone."""
    found, _ = cache.briefs()
    titles = {b.id: pickers.run_title(b) for b in found}
    children = [b for b in found if b.parent == run.id]
    if not run.parent and not children:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="family"):
        if run.parent:
            k = run.config.from_round
            if run.parent in titles:
                frame.quiet(f"Branch from round {k} of", width="content")
                _to(run.parent, f"{titles[run.parent]} · {_short(run.parent)}", k - 1)
            else:
                frame.quiet(f"Branch from round {k} of {run.parent}, which is no longer here.", width="content")
        if children:
            frame.quiet("Branches:", width="content")
            for b in children[:MOST]:
                said = f"round {b.config.from_round}: {b.title or pickers.summary(b.config).rpartition(' · ')[2]} · {_short(b.id)}"
                _to(b.id, said)
            if len(children) > MOST:
                frame.quiet(f"and {len(children) - MOST} more on Runs", width="content")


def _to(run_id: str, label: str, round: int | None = None) -> None:
    """The way to another run's Lab. (A link to the page one is on leaves the address as it was.)"""
    st.button(frame.plain(label), key=f"family-{run_id}", icon=":material/fork_right:", type="tertiary", on_click=_open, args=(run_id, round))


def _open(run_id: str, round: int | None) -> None:
    st.query_params.pop("set", None)
    where.go(run=run_id, branch=None, round=round, stage=None)


def _short(run_id: str) -> str:
    return run_id.rsplit("-", 1)[-1]
