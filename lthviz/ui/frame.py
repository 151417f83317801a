"""What stands around every page: its settings, the menu, where runs are kept, and the sentence for what went wrong."""

from __future__ import annotations

import contextlib
import functools
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from lthviz.errors import AddressError, LthvizError
from lthviz.records import Status
from lthviz.ui import access, signin
from lthviz.ui.cache import store
from lthviz.words import capital

PAGES = (("app.py", "Home", ":material/home:"), ("pages/learn.py", "Learn", ":material/school:"), ("pages/lab.py", "Lab", ":material/science:"),
         ("pages/masks.py", "Masks", ":material/grid_on:"), ("pages/tune.py", "Tune", ":material/tune:"),
         ("pages/speed.py", "Speed", ":material/speed:"),
         ("pages/curves.py", "Curves", ":material/show_chart:"), ("pages/compare.py", "Compare", ":material/compare_arrows:"),
         ("pages/exchange.py", "Exchange", ":material/swap_horiz:"), ("pages/runs.py", "Runs", ":material/table_rows:"))
STATES = {"queued": ("schedule", "gray"), "running": ("play_arrow", "primary"), "paused": ("pause", "orange"),
          "finished": ("check", "gray"), "cancelled": ("stop", "gray"), "failed": ("error", "red"),
          "interrupted": ("power_off", "orange"), "example": ("auto_stories", "gray")}
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0072b2"/>
<path fill="#fff" d="M3 3h4v4H3zM9 3h1.5v1.5H9zM3 9h1.5v1.5H3zM11.5 5.5H13V7h-1.5zM9 9h4v4H9zM5.5 11.5H7V13H5.5z"/></svg>"""
"""A drawing of our own: Streamlit fetches a Material symbol as page icon from another host."""
LARGER = 1.5
"""How much larger figures are when a page is shown to others; the page's own letters too, but for 1.25 on a window under 1,200 pixels."""


@functools.cache
def _style(name: str) -> str:
    """A stylesheet beside this file. As text: Streamlit reads a path anew at every rerun."""
    return f"<style>\n{(Path(__file__).parent / name).read_text(encoding='utf-8')}</style>"


def presenting() -> bool:
    """Whether the page is shown to others: `present=1` in its address."""
    return st.query_params.get("present") == "1"


def _present(on: bool) -> None:
    if on:
        st.query_params["present"] = "1"
    else:
        st.query_params.pop("present", None)


def _way_out() -> None:
    """The visible way out of presenter mode; Esc and P lead there too."""
    st.html(_style("present.css"))
    with st.container(key="present-out", horizontal=True):
        st.button("Leave presenter mode", key="present-esc", shortcut="escape", type="tertiary", icon=":material/close_fullscreen:", on_click=_present, args=(False,))
        st.button("Leave", key="present-p", shortcut="p", on_click=_present, args=(False,))


def frame(title: str) -> None:
    """Draw the page's frame; every page begins with it. Nobody who is not let in comes further than here."""
    st.set_page_config(page_title=f"{title} · LTHviz" if title != "LTHviz" else title, page_icon=ICON,
                       layout="wide", initial_sidebar_state="collapsed",
                       menu_items={"About": "LTHviz: a laboratory for structurally sparse lottery tickets. Everything stays on this machine."})
    st.html(_style("frame.css"))
    signin.gate(plain)
    if presenting():
        _way_out()
        return
    root = store().root
    with st.container(horizontal=True, vertical_alignment="center", key="menu", gap="small"):
        st.html("<span class='wordmark'>LTHviz</span>", width="content")
        for page, name, icon in PAGES:
            st.page_link(page, label=name, icon=icon)
        st.button("Present", key="present", shortcut="p", type="tertiary", icon=":material/slideshow:", on_click=_present, args=(True,),
                  help="Larger, without menu and controls, to show to others; keys still step")
        if not signin.who():
            st.html(f"<span class='quiet place' title='{html.escape(str(root))}'>runs in {html.escape(_short(root))}</span>", width="content")
    if line := access.said() or signin.upload_refused():
        told("warning", line, "lock")


def dark() -> bool:
    """Whether the reader's theme is dark."""
    return st.context.theme.type == "dark"


def badge(status: Status, example: bool = False) -> None:
    """A run's state as a word with its sign."""
    word = "example" if example else status.state
    icon, colour = STATES.get(word, ("help", "gray"))
    st.badge(word, icon=f":material/{icon}:", color=colour)


def plain(words: object) -> str:
    """Words of an address, a file or an error, for where Streamlit reads Markdown: shown as they are, on one line. A picture in
    them would be fetched from whatever host it names."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(str(words).split()))


def told(kind: Literal["info", "warning", "error"], sentence: str, icon: str) -> None:
    """A sentence in a box, without Markdown. icon: name of a Material symbol."""
    getattr(st, kind)(plain(sentence), icon=f":material/{icon}:")


def refused(reason: object) -> None:
    """Why something typed is not taken, in small red letters."""
    st.caption(f":red[:material/error: {plain(reason)}]")


def notes(sentences: list[str]) -> None:
    """What the address asked for and could not have."""
    for sentence in sentences:
        told("info", sentence, "link_off")


def said(sentence: str, beside: Callable[[], None] | None = None) -> None:
    """The sentence a page stands under. Code spans in it are names; a number and its unit stay on one line.

    beside: draws what stands to its right, or nothing. Then the sentence has room for two lines, and what follows keeps its place
    from one sentence to the next.
    """
    parts = html.escape(sentence).replace(" %", "\u00a0%").split("`")
    text = "<p class='said'>" + "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)) + "</p>"
    if beside is None:
        st.html(text)
        return
    with st.container(horizontal=True, vertical_alignment="top", horizontal_alignment="distribute", gap="medium", key="said-row"):
        st.html(text)
        with st.container(width="content", key="said-beside"):
            beside()


def command(line: str) -> None:
    """A command to copy. (st.code would load 1.5 MB of syntax highlighter before the first picture.)"""
    st.html(f"<pre class='command' tabindex='0'><code>{html.escape(line)}</code></pre>")


def quiet(text: str, width: Literal["stretch", "content"] = "stretch") -> None:
    st.html(f"<div class='quiet'>{html.escape(text)}</div>", width=width)


def item(letter: str, words: str, *, pinned: bool = False) -> None:
    """One of several that are named by letters, with what the letter stands for."""
    st.html(f"<div class='quiet'><b class='letter'>{html.escape(letter)}</b> {html.escape(words)}{' · <b>baseline</b>' if pinned else ''}</div>")


def empty(sentence: str, link: bool = True) -> None:
    """A page that has nothing to show yet, with the way to something."""
    with st.container(border=True, key="empty"):
        st.markdown("### :material/inbox: Nothing here yet")
        st.markdown(sentence)
        if link:
            st.page_link("pages/lab.py", label="Start a run", icon=":material/add:", query_params={"new": "digits"})


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Show an error of ours as its one line, with a way on, instead of a traceback."""
    try:
        yield
    except AddressError as e:
        _sorry(str(e), "travel_explore", "Nothing is at this address")
    except LthvizError as e:
        _sorry(str(e), "error", "This could not be read")


def fragment(part: Callable[..., None], *, run_every: float | None = None) -> Callable[..., None]:
    """A part of a page that redraws on its own and answers its own errors."""
    @functools.wraps(part)
    def answered(*args: Any) -> None:
        with answering():
            part(*args)
    return st.fragment(answered, run_every=run_every)


def _sorry(line: str, icon: str, title: str) -> None:
    with st.container(border=True):
        st.markdown(f"### :material/{icon}: {title}")
        st.text(capital(line))
        with st.container(horizontal=True):
            st.page_link("app.py", label="All runs", icon=":material/home:")
            st.page_link("pages/lab.py", label="Start a new run", icon=":material/add:", query_params={"new": "digits"})


def _short(path: object) -> str:
    parts = str(path).replace("\\", "/").split("/")
    return "/".join(["…", *parts[-2:]]) if len(parts) > 3 else str(path)
