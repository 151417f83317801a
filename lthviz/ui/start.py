"""Starting a run: a preset, its settings, and what the command line would be. All of it is in the address."""

from __future__ import annotations

import streamlit as st

from lthviz import branching, launch
from lthviz.commands import apply, differences, run_command
from lthviz.config import RunConfig
from lthviz.errors import ConfigError, LthvizError
from lthviz.presets import PRESETS, Preset
from lthviz.store import presets
from lthviz.ui import access, cache, forms, frame, pickers, signin, where
from lthviz.words import capital


def new_run(begin: str) -> None:
    """The page on which a run is started. begin: a preset, or a run whose settings to start from."""
    base, preset, said = _base(begin)
    st.title("Start a run")
    st.html("<p class='lead'>Choose a study, change what you like, and start it. It trains in a process of its own: "
            "close the page, come back, and it is still at work.</p>")
    _presets(preset)
    words = st.query_params.get_all("set")
    if st.session_state.get("form-base") != begin:
        st.session_state["form-base"] = begin
        try:
            forms.fill(apply(base, words))
        except ConfigError as e:
            said.append(f"The link's settings could not all be taken: {e}. Showing those of {begin}.")
            forms.fill(base)
    frame.notes(said)
    if preset:
        known = _known()[preset]
        frame.quiet(f"{capital(known.note)}{'. ' * bool(known.note)}Source: {known.source}.")
    top = st.container(key="start-bar")
    st.subheader("Settings", anchor=False)
    config = forms.config_form()
    if config is not None:
        _remember(differences(config, base), words)
    with top:
        _start(config, preset)


def _base(begin: str) -> tuple[RunConfig, str, list[str]]:
    known = _known()
    if begin in known:
        return known[begin].config, begin, []
    try:
        found = cache.run(begin)
        return branching.settings(found), found.preset if found.preset in known else "", []
    except LthvizError:
        return PRESETS["digits"].config, "digits", [f"The link begins from {begin!r}, which is no preset and no run here; "
                                                    f"showing the digits preset."]


def _known() -> dict[str, Preset]:
    """One's own presets, and those that lthviz comes with."""
    return presets.everything(cache.store().root)


def _presets(current: str) -> None:
    key = pickers.showing("pick-preset", current or None)
    known = _known()
    st.selectbox("Preset", list(known), index=0 if current else None, key=key, width=420,
                 format_func=lambda name: known[name].title + ("" if name in PRESETS else f" · {name}, yours"),
                 placeholder="another run's settings", on_change=pickers.heard(key, lambda chosen: chosen and _choose(chosen)))


def _choose(preset: str) -> None:
    st.query_params.pop("set", None)
    st.session_state.pop("form-base", None)
    where.go(new=preset)


def _remember(now: list[str], words: list[str]) -> None:
    if now and now != words:
        st.query_params["set"] = now
    elif not now:
        st.query_params.pop("set", None)


def _start(config: RunConfig | None, preset: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        go = st.button("Start", type="primary", icon=":material/play_arrow:", key="start", **access.locked(config is None))
        paused = st.toggle("Wait before the first stage", key="start-paused", persist_state="session",
                           help="The run begins paused, so that you can step through it from the beginning")
    signin.note()
    if config is None:
        st.caption(":red[A setting below is refused; the reason stands under it.]")
        return
    trainings = 1 + config.rounds * len(config.tickets(1))
    st.caption(f"{pickers.summary(config)} · {trainings} training{'s' * (trainings != 1)} of up to {config.epochs} epochs · run `{config.run_id}`")
    if cache.store().exists(config.run_id):
        st.caption(f"A run with exactly these settings is here already ({cache.store().status(config.run_id).state}); "
                   "starting it opens it, or resumes it where it stopped.")
    st.code(run_command(config, preset, _known()), language=None, wrap_lines=True)
    if go:
        begin(config, preset, paused=paused)


def begin(config: RunConfig, preset: str, *, paused: bool = False) -> None:
    """Start a run and open it in the Lab; why it cannot be started is said where the button is."""
    try:
        access.require()
        run_id = launch.start(cache.store(), config, preset=preset, paused=paused)
    except LthvizError as e:
        frame.told("error", str(e), "error")
        return
    where.leave()
    st.switch_page("pages/lab.py", query_params={"run": run_id})
