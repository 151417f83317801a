"""A packed run taken in on the Runs page, as `lthviz unpack` takes it in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from lthviz.errors import LthvizError
from lthviz.store import Store
from lthviz.ui import cache, frame

MOST = 200
"""Megabytes that a file may have here: it passes through memory. A larger one is taken in from a terminal."""
_SAID, _KEY = "import-said", "import-number"


class Answer(NamedTuple):
    """What became of a file. run: id of the run that it holds, '' where it was refused."""

    kind: Literal["info", "error"]
    sentence: str
    run: str = ""


def show() -> None:
    """The fold below the table, and under it what became of the last file."""
    with st.expander("Import a packed run", icon=":material/upload_file:", key="import"):
        frame.quiet(f"A file that `lthviz pack` made, of {MOST} MB at most; a larger one is taken in by the command. It is checked whole before anything is kept.".replace("`", ""))
        st.session_state.setdefault(_KEY, 0)
        key = f"import-{st.session_state[_KEY]}"
        st.file_uploader("Packed run (.h5)", type="h5", key=key, max_upload_size=MOST, on_change=_uploaded, args=(key,))
        frame.command("python -m lthviz unpack FILE.h5")
    if said := st.session_state.pop(_SAID, None):
        frame.told(said.kind, said.sentence, "error" if said.kind == "error" else "download_done")
        if said.run:
            st.page_link("pages/lab.py", label=f"Open {said.run}", icon=":material/science:", query_params={"run": said.run})


def take(store: Store, name: str, data: bytes) -> Answer:
    """Take the bytes of a packed run into the store. name: of the file, as its owner called it."""
    name = Path(name.replace("\\", "/")).name or "run.h5"
    if len(data) > MOST * 1_000_000:
        return Answer("error", f"{name} has {len(data) / 1e6:,.0f} MB; here {MOST} MB are taken at most. From a terminal: python -m lthviz unpack {name}")
    there = set(store.runs())
    with tempfile.TemporaryDirectory(prefix="lthviz-import-") as folder:
        file = Path(folder) / name
        try:
            file.write_bytes(data)
            run_id = store.unpack(file)
        except LthvizError as e:
            return Answer("error", f"{str(e).replace(str(file), name)}. Nothing was taken in.")
        except OSError as e:
            return Answer("error", f"{name} could not be kept for reading: {e.strerror}. Nothing was taken in.")
    if run_id in there:
        return Answer("info", f"Run {run_id} is here already, and is the same; of {name} only newer measurements were taken in.", run_id)
    return Answer("info", f"Run {run_id} was taken in from {name}.", run_id)


def _uploaded(key: str) -> None:
    if file := st.session_state.get(key):
        st.session_state[_SAID] = take(cache.store(), file.name, file.getvalue())
        st.session_state[_KEY] += 1      # an empty field again, for the next file
