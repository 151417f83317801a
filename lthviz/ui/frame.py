"""What stands around every page: its settings, the menu, where runs are kept, and the sentence for what went wrong."""

from __future__ import annotations

import contextlib
import functools
import html
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import streamlit as st

from lthviz.errors import AddressError, LthvizError
from lthviz.records import Status
from lthviz.ui.cache import store

PAGES = (("app.py", "Home", ":material/home:"), ("pages/lab.py", "Lab", ":material/science:"),
         ("pages/masks.py", "Masks", ":material/grid_on:"), ("pages/tune.py", "Tune", ":material/tune:"),
         ("pages/speed.py", "Speed", ":material/speed:"),
         ("pages/curves.py", "Curves", ":material/show_chart:"), ("pages/compare.py", "Compare", ":material/compare_arrows:"),
         ("pages/runs.py", "Runs", ":material/table_rows:"))
STATES = {"queued": ("schedule", "gray"), "running": ("play_arrow", "primary"), "paused": ("pause", "orange"),
          "finished": ("check", "gray"), "cancelled": ("stop", "gray"), "failed": ("error", "red"),
          "interrupted": ("power_off", "orange"), "example": ("auto_stories", "gray")}
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0072b2"/>
<path fill="#fff" d="M3 3h4v4H3zM9 3h1.5v1.5H9zM3 9h1.5v1.5H3zM11.5 5.5H13V7h-1.5zM9 9h4v4H9zM5.5 11.5H7V13H5.5z"/></svg>"""
"""A drawing of our own: Streamlit fetches a Material symbol as page icon from another host."""
STYLE = """<style>
.stApp { font-variant-numeric: tabular-nums lining-nums; }
.stAppHeader { background: transparent; }
.stAppHeader, .stAppHeader * { pointer-events: none; }
.stAppHeader button, .stAppHeader button * { pointer-events: auto; }
.stAppHeader [data-testid="stStatusWidget"] { display: none; }
.stMainBlockContainer { max-width: 1320px; padding: 1.1rem 2rem 4rem; }
.st-key-menu { padding-right: 2.5rem; border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); padding-bottom: .35rem; margin-bottom: .6rem; }
.st-key-menu a[data-testid="stPageLink-NavLink"] { padding: .15rem .55rem; }
.st-key-menu .wordmark { font-family: "Source Serif", Georgia, serif; font-weight: 600; font-size: 1.2rem; letter-spacing: .01em; }
.lead { font-family: "Source Serif", Georgia, serif; font-size: 1.22rem; line-height: 1.5; max-width: 46rem; margin: .35rem 0 .4rem; }
.said { font-family: "Source Serif", Georgia, serif; font-size: 1.22rem; line-height: 1.45; max-width: 64rem; margin: .35rem 0 .6rem; }
.st-key-said-row .said { min-height: 2.9em; }
.said code { font-size: .82em; padding: .05em .3em; }
.quiet { opacity: .66; font-size: .9rem; }
.letter { display: inline-block; min-width: 1.3em; }
.st-key-compare-items { gap: .1rem; }
.stMainBlockContainer h1 { padding: .4rem 0 .1rem; letter-spacing: -.01em; }
.stMainBlockContainer h2 { padding: 1.4rem 0 .2rem; }
.stMainBlockContainer h3 { padding: .5rem 0 .3rem; }
.st-key-live-curves { overflow: hidden; }
.st-key-step-buttons button p { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.st-key-step-buttons { gap: .2rem; }
.st-key-step-buttons button { padding: .15rem .3rem; min-height: 2rem; border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: .4rem; }
.st-key-masks-pick [data-testid="stButtonGroup"] button { min-height: 2.5rem; }
.st-key-family button p { text-decoration: underline; text-underline-offset: .2em; }
.command { background: color-mix(in srgb, currentColor 4%, transparent); padding: .8rem 1rem; border-radius: .3rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; margin: .3rem 0; user-select: all; }
.command code { background: none; padding: 0; color: inherit; }
.strip { display: flex; flex-wrap: wrap; gap: 1.1rem; margin: .3rem 0 .5rem; }
.strip figure { margin: 0; flex: 1 1 150px; max-width: 236px; }
.strip img { width: 100%; height: auto; image-rendering: pixelated; display: block; }
.strip figcaption { font-size: .9rem; line-height: 1.35; margin-top: .35rem; }
.notice { font-size: 1rem; line-height: 1.45; max-width: 40rem; margin: .1rem 0 .2rem; }
.small-curve { width: 100%; max-width: 35rem; height: auto; display: block; margin: .2rem 0 .3rem; }
@media (max-width: 1180px) { .st-key-menu .place { display: none; } }      /* the menu stays in one line */
@media (max-width: 640px) {
  .strip figure { flex: 0 1 calc(50% - .55rem); }
  .st-key-masks-pick, .st-key-masks-other { gap: .6rem; }
  .stMainBlockContainer { padding: .8rem 1rem 3rem; }
  .stMainBlockContainer h1 { font-size: 1.6rem; }
  .lead, .said { font-size: 1.08rem; }
  .st-key-menu .place, .st-key-menu .st-key-present, .st-key-menu a > span:has([data-testid="stIconMaterial"]) { display: none; }
  .st-key-menu { gap: 0; padding-right: 1.2rem; padding-top: .25rem; width: calc(100% - 1.9rem) !important; flex-wrap: wrap; }
  .st-key-menu > * { flex: none; }
  .st-key-steps { gap: .5rem; }
  .st-key-menu .wordmark { font-size: 1rem; margin-right: .1rem; }
  .st-key-menu a[data-testid="stPageLink-NavLink"] { padding: .15rem .26rem; gap: 0; }
  .st-key-menu a[data-testid="stPageLink-NavLink"] p { font-size: .86rem; }
}
</style>"""


LARGER = 1.5
"""How much larger figures are when a page is shown to others; the page's own letters too, but for 1.25 on a window under 1,200 pixels."""
PRESENT_STYLE = """<style>
:root { --lthviz-tools: none; }
@media (min-width: 641px) { :root, html { font-size: 20px !important; } .stMainBlockContainer { max-width: none; } }
@media (min-width: 1200px) { :root, html { font-size: 24px !important; } :root { --lthviz-tallest: max(12rem, calc(100vh - 20rem)); } }
.stMainBlockContainer { padding-top: .6rem; }
.stMainBlockContainer [data-testid="stVerticalBlock"] { gap: .45rem; }
.stMainBlockContainer h1 { font-size: 1.6rem; padding: 0; }
.said { max-width: none; font-size: 1.15rem; margin: .1rem 0; }
.st-key-rail [data-testid="stButtonGroup"] button { padding: .1rem .5rem; }
.st-key-rail [data-testid="stButtonGroup"] button span:has(> [data-testid="stIconMaterial"]) { display: none; }
.stAppHeader, .modebar, [data-testid="stElementToolbar"] { display: none !important; }
.stMainBlockContainer :is([data-testid="stButton"], [data-testid="stPageLink"], [data-testid="stSelectbox"], [data-testid="stTextInput"], [data-testid="stMultiSelect"],
  [data-testid="stNumberInput"], [data-testid="stCheckbox"], [data-testid="stButtonGroup"], [data-testid="stDownloadButton"], [data-testid="stExpander"], .command),
  .st-key-layer-strip, .st-key-layer-row, .st-key-terminal, .st-key-family, .st-key-lab-tools, .st-key-steps, .st-key-how-to-measure, .st-key-said-beside { display: none; }
.stMainBlockContainer .st-key-rail [data-testid="stButtonGroup"], .stMainBlockContainer .st-key-present-out [data-testid="stButton"] { display: block; }
.st-key-present-out { position: fixed; right: .6rem; top: .4rem; width: auto; z-index: 1000; padding: 0 .4rem; border-radius: .3rem; opacity: .6; backdrop-filter: blur(14px); }
.st-key-present-out:is(:hover, :focus-within) { opacity: 1; }
.st-key-present-out button, .st-key-present-out button * { font-size: .8rem !important; }
.stMainBlockContainer .st-key-present-out .st-key-present-p { display: none; }
</style>"""
"""Presenter mode: larger, without menu and controls. They stay in the page, so that their keys still work. The components of our own take
their letters from the page's, and hide what is for work at `--lthviz-tools`."""


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
    st.html(PRESENT_STYLE)
    with st.container(key="present-out", horizontal=True):
        st.button("Leave presenter mode", key="present-esc", shortcut="escape", type="tertiary", icon=":material/close_fullscreen:", on_click=_present, args=(False,))
        st.button("Leave", key="present-p", shortcut="p", on_click=_present, args=(False,))


def frame(title: str) -> None:
    """Draw the page's frame; every page begins with it."""
    st.set_page_config(page_title=f"{title} · LTHviz" if title != "LTHviz" else title, page_icon=ICON,
                       layout="wide", initial_sidebar_state="collapsed",
                       menu_items={"About": "LTHviz: a laboratory for structurally sparse lottery tickets. Everything stays on this machine."})
    st.html(STYLE)
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
        st.html(f"<span class='quiet place' title='{html.escape(str(root))}'>runs in {html.escape(_short(root))}</span>", width="content")


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
        st.text(line[:1].upper() + line[1:])
        with st.container(horizontal=True):
            st.page_link("app.py", label="All runs", icon=":material/home:")
            st.page_link("pages/lab.py", label="Start a new run", icon=":material/add:", query_params={"new": "digits"})


def _short(path: object) -> str:
    parts = str(path).replace("\\", "/").split("/")
    return "/".join(["…", *parts[-2:]]) if len(parts) > 3 else str(path)
