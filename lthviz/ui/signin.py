"""Signing in and out: the page before all others, where the server is set up so, and who is signed in, in the menu."""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st
from streamlit.errors import StreamlitAuthError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lthviz.ui import access, limits
from lthviz.ui.rules import REFUSED


def gate(plain: Callable[[object], str]) -> None:
    """Ends the page here for who is not let in. plain: makes words harmless where Markdown is read."""
    who = access.person()
    if who.role != REFUSED:
        _watch()
        if access.current().providers is None and not access.at_home():
            access.warn_once()
        return
    _page(who, plain)
    st.stop()


def _page(who: access.Person, plain: Callable[[object], str]) -> None:
    now = access.current()
    with st.container(key="signin", width=520):
        st.html("<p class='wordmark'>LTHviz</p>")
        st.title("Sign in" if not (now.fault or who.key) else "Not let in", anchor=False)
        if now.fault:
            st.error(plain(who.why), icon=":material/error:")
        elif who.key:
            st.html(f"<p class='lead'>Signed in as {html.escape(who.name)}.</p>")
            st.error(plain(who.why), icon=":material/block:")
            st.button("Sign out", key="sign-out", icon=":material/logout:", on_click=st.logout)
        else:
            st.html("<p class='lead'>A laboratory for structurally sparse lottery tickets. Its runs are for people who are known here.</p>")
            for name in now.providers or ():
                label = f"Sign in with {plain(name.capitalize())}" if name else "Sign in"
                if st.button(label, key=f"sign-in-{name}", type="primary", icon=":material/login:"):
                    _login(name, plain)
            if not now.providers:
                st.error("The server's secrets file has \\[auth\\] without a client\\_id, so nobody can sign in yet.", icon=":material/error:")


def _login(name: str, plain: Callable[[object], str]) -> None:
    try:
        st.login(name or None)
    except StreamlitAuthError as e:
        st.error(f"This server's sign-in is not set up: {plain(e)}", icon=":material/error:")


def who() -> bool:
    """Name, role and the way out, at the end of the menu; whether anybody signs in here at all."""
    if access.current().providers is None:
        return False
    now = access.person()
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small", key="who"):
        st.html(f"<span class='quiet who' title='{html.escape(now.key, quote=True)}'>{html.escape(now.name)} · {now.role}</span>", width="content")
        st.button("Sign out", key="sign-out", type="tertiary", on_click=st.logout)
    return True


def note() -> None:
    """Why buttons are off, in a sentence; nothing for an operator."""
    if why := access.person().why:
        st.html(f"<p class='quiet' role='note'>{html.escape(why)}</p>")


def _watch() -> None:
    if ctx := get_script_run_ctx():
        limits.watch(ctx.uploaded_file_mgr, ctx.session_id, st.session_state)


def upload_refused() -> str:
    """Why the last file that this session sent was not taken, once."""
    held = st.session_state.get(limits.SESSION)
    if held is None or not held.said:
        return ""
    line, held.said = held.said, ""
    return f"The file was not taken: {line}."
