"""A form made from RunConfig's fields: their help, limits, choices, units and sources become the widgets and their tooltips.

What is typed is kept as it was typed. A value that the settings refuse is answered under its field with ConfigError's own
line, so the browser sets no limits of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import streamlit as st

from lthviz.config import DERIVED, STRUCTURES, RunConfig, Structure, limits, parse
from lthviz.errors import ConfigError
from lthviz.glossary import definition
from lthviz.knobs import checked
from lthviz.ui import frame
from lthviz.words import capital

GROUPS: dict[str, tuple[str, ...]] = {
    "Network and data": ("model", "form", "data", "data_dir", "train_images", "validation", "augment", "seed"),
    "Pruning": ("rounds", "rate", "linear", "rewind", "after_rewind"),
    "Training": ("epochs", "batch_size", "lr", "schedule", "milestones", "gamma", "warmup", "momentum", "weight_decay",
                 "bn_l1"),
    "Machine": ("device", "threads", "loader_workers", "precision", "memory_format", "compile", "keep_weights", "calibration_images", "log_to"),
}
TITLES = {"linear": "Linear layers", "data_dir": "Data folder", "lr": "Learning rate", "bn_l1": "L1 on BatchNorm scales", "rate": "Pruning rate", "in_loop": "Feed back into the trunk",
          "rewind": "Rewind to", "rho": "ρ", "t1": "t1", "min_rows": "Minimum rows",
          "min_nnz": "Minimum non-zeros a column", "min_cols": "Minimum columns", "seed": "Seed", "milestones": "Milestones",
          "validation": "Held out for validation", "gamma": "Factor at a milestone"}
TERMS = {"rounds": "round", "rewind": "rewinding step", "linear": "prunable weights", "in_loop": "in-loop", "score": "channel score", "rho": "ρ", "groups": "group",
         "t1": "t1", "min_rows": "minimum rows", "tile_rows": "tile rows", "leftovers": "leftovers", "partitioner": "partition"}
"""The glossary's term of a setting."""
DEFINED = {"rho", "min_rows", "tile_rows", "leftovers"}
"""Settings of which the definition says all that their own help does."""
FIELDS = {f.name: f for f in dataclasses.fields(RunConfig) if f.name not in DERIVED}
CELL = 208
INVALID = object()
"""What a field reads as while what is typed in it is refused."""


def title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def tooltip(field: dataclasses.Field, flag: bool = True) -> str:
    """Help, the glossary's definition, range and source of a field, and what it is called on the command line."""
    meta = field.metadata
    words = [] if field.name in DEFINED else [capital(meta["help"]) + (f", in {meta['unit']}" if meta["unit"] else "") + "."]
    if field.name in TERMS:
        words.append(f"\n\n**{TERMS[field.name]}**: {definition(TERMS[field.name])}\n\n")
    if meta["choices"]:
        words += [f"\n\n{key}: {what}" for key, what in meta["choices"].items()]
    elif meta["low"] is not None or meta["high"] is not None:
        words.append(f"Must be {limits(field)}.")
    if meta["source"]:
        words.append(f"\n\nSource: {meta['source']}.")
    if flag:
        words.append(f"\n\n`--set {field.name}=…`")
    return " ".join(words)


def fill(config: RunConfig) -> None:
    """Put a configuration's values into the form, whatever was there before."""
    for name in FIELDS:
        if name != "structures":
            st.session_state[_key(name)] = _typed(getattr(config, name))
    st.session_state["form-structures"] = []
    for s in config.structures:
        add(s)


def add(structure: Structure) -> None:
    """One more structure at the end of the form's list."""
    uid = st.session_state["form-next"] = st.session_state.get("form-next", 0) + 1
    st.session_state["form-structures"] = [*st.session_state.get("form-structures", []), (uid, structure.kind)]
    for f in dataclasses.fields(structure):
        st.session_state[_key(f.name, uid)] = _typed(getattr(structure, f.name))


def remove(uid: int) -> None:
    st.session_state["form-structures"] = [x for x in st.session_state["form-structures"] if x[0] != uid]


def config_form(base: RunConfig | None = None, only: Collection[str] = FIELDS) -> RunConfig | None:
    """Draw the form; the configuration it describes, or None while a field is refused.

    only: settings that can be changed; the others are those of `base` and are not drawn.
    """
    values: dict[str, Any] = {name: getattr(base, name) for name in FIELDS if name not in only}
    for group, every in GROUPS.items():
        if group == "Training":
            values |= _structures()
        names = [name for name in every if name in only]
        if not names:
            continue
        open_ = group in ("Network and data", "Pruning")
        with st.expander(group, expanded=open_, type="compact", key=f"form-group-{group}"):
            cells = st.container(horizontal=True, gap="medium")
            for name in names:
                with cells.container(width=CELL, gap=None):
                    values[name] = _field(FIELDS[name], _key(name), RunConfig)
    if INVALID in values.values():
        return None
    try:
        return RunConfig(**values)
    except ConfigError as e:
        frame.told("error", str(e), "error")
        return None


def _structures() -> dict[str, Any]:
    """The list of branches, each with only its own knobs, buttons to add and remove, and which one is fed back."""
    out: list[Any] = []
    with st.expander("Structures", expanded=True, type="compact", key="form-group-Structures"):
        st.caption("Branches of every round. Each makes its own ticket beside the trunk.")
        for uid, kind in st.session_state.get("form-structures", []):
            cls = STRUCTURES[kind]
            with st.container(border=True, key=f"form-structure-{uid}"):
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    st.markdown(f"**{cls.title}**", width="content")
                    st.button("Remove", key=f"form-remove-{uid}", icon=":material/close:", type="tertiary", on_click=remove,
                              args=(uid,), help=f"Remove this {cls.title} branch")
                cells = st.container(horizontal=True, gap="medium")
                values = {}
                for f in dataclasses.fields(cls):
                    with cells.container(width=CELL, gap=None):
                        values[f.name] = _field(f, _key(f.name, uid), cls)
                out.append(_made(cls, values))
        with st.container(horizontal=True, key="form-add"):
            for kind, cls in STRUCTURES.items():
                st.button(cls.title, key=f"form-add-{kind}", icon=":material/add:", on_click=add, args=(cls(),),
                          help=(cls.__doc__ or "").strip().splitlines()[0])
        labels = [s.label for s in out if s is not INVALID]
        with st.container(width=2 * CELL):
            in_loop = _in_loop(labels)
    try:
        RunConfig(structures=tuple(s for s in out if s is not INVALID))
    except ConfigError as e:
        frame.refused(e)
        out.append(INVALID)
    return {"structures": INVALID if INVALID in out else tuple(out), "in_loop": in_loop}


def _made(cls: type[Structure], values: dict[str, Any]) -> Any:
    """The structure of these settings; INVALID, with the reason, where one of them is refused or they do not go together."""
    if INVALID in values.values():
        return INVALID
    try:
        return cls(**values)
    except ConfigError as e:
        frame.refused(e)
        return INVALID


def _in_loop(labels: list[str]) -> Any:
    """Which structure feeds back. A choice that is gone stays chosen, and says so."""
    key = _key("in_loop")
    chosen = st.session_state.get(key, "")
    options = ["", *dict.fromkeys([*labels, *([chosen] if chosen else [])])]
    value = st.selectbox(title("in_loop"), options, key=key, persist_state="session", help=tooltip(FIELDS["in_loop"]),
                         format_func=lambda x: x or "nothing: branches stay beside the trunk")
    if value and value not in labels:
        frame.refused(f"in_loop = {value!r} is not among the structures; choose another")
        return INVALID
    return value


def _field(field: dataclasses.Field, key: str, owner: type) -> Any:
    """One widget with its tooltip; its value, or INVALID with the reason written under it."""
    meta, default = field.metadata, field.default
    label, help = title(field.name), tooltip(field, owner is RunConfig)
    keep = {"key": key, "help": help, "persist_state": "session"}
    if meta["choices"] is not None:
        value = st.selectbox(label, list(meta["choices"]), accept_new_options=bool(meta["pattern"]), **keep)
    elif isinstance(default, bool):
        value = st.toggle(label, **keep)
    elif isinstance(default, float):
        value = st.number_input(label, value=None, step=_step(default), format="%g", **keep)
    elif isinstance(default, int):
        value = st.number_input(label, value=None, step=1, **keep)
    else:
        value = st.text_input(label, **keep)
        if isinstance(default, tuple):
            value = parse(f"[{value}]")
    try:
        if value is None:
            raise ConfigError(f"{field.name} is empty; {meta['help']}")
        if owner is RunConfig:
            RunConfig(**{field.name: value})
        else:   # alone: whether it goes with the others is asked of all of them
            checked(field, value)
    except ConfigError as e:
        frame.refused(e)
        return INVALID
    return tuple(value) if isinstance(value, list) else value


def _key(name: str, uid: int | None = None) -> str:
    return f"form-{name}" if uid is None else f"form-{uid}-{name}"


def _typed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _step(default: float) -> float:
    return 0.1 if default >= 1 else 0.01 if default >= 0.01 or not default else default / 10
