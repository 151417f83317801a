"""Who looks at a page, and what they may: an operator everything, a viewer look, tune and download.

Without sign-in it is one person at this machine, who may do everything. What changes anything asks here, on the server: `action` around a
callback, `require` inside of a function, and the store of the pages (guarded.py) whatever they do. A button that is shown disabled is a courtesy.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from lthviz.errors import UsageError
from lthviz.ui import rules
from lthviz.ui.rules import OPERATOR, REFUSED, VIEWER, Limits, Rules

log = logging.getLogger("lthviz")
_SAID = "access-said"
AGAIN_S = 5.0
_read: tuple[Any, float, Rules] | None = None
"""Which secrets were read last, when, and what they say."""
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded")
OPEN = "Other machines reach this server and nobody signs in, so everybody is a viewer: look, tune and download. docs/serving.md says how to sign in."


class AccessError(UsageError):
    """Who asks may not do that."""


class Person(NamedTuple):
    """key: what limits are counted by and runs are marked with; '' is whoever sits at this machine. name: for people. role: operator, viewer or refused.
    why: they may not change anything, in a sentence; '' of an operator."""

    key: str
    name: str
    role: str
    why: str = ""


def current() -> Rules:
    """What the server's secrets file says; of one that cannot be read, that nobody is let in. Pages ask dozens of times, so it is looked at
    every few seconds."""
    global _read
    now = time.monotonic()
    if _read is None or _read[0] is not st.secrets or now - _read[1] > AGAIN_S:
        _read = st.secrets, now, _rules()
    return _read[2]


def _rules() -> Rules:
    try:
        return rules.read(st.secrets.to_dict())
    except StreamlitSecretNotFoundError as e:
        return Rules() if getattr(e, "error_id", "") == "no-secrets-found" else rules.closed("The server's secrets file cannot be read; its log says why.")


def person() -> Person:
    """Who looks at this page."""
    now = current()
    if now.fault:
        return Person("", "", REFUSED, f"Nobody is let in before .streamlit/secrets.toml is mended: {now.fault}")
    if now.providers is None:
        role = now.open or (OPERATOR if at_home() else VIEWER)
        return Person("", "", role, "" if role == OPERATOR else OPEN if not now.open else "On this server everybody is a viewer: look, tune and download.")
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        return Person("", "", REFUSED, "Sign in first.")
    role, address = rules.role(now, claims), rules.email(claims)
    key = address or f"{claims.get('iss') or claims.get('provider', '')} {claims.get('sub', '')}".strip()
    name = str(claims.get("name") or address or claims.get("preferred_username") or key)
    why = {OPERATOR: "", VIEWER: "You are a viewer here: you may look, tune and download. An operator can start and change things.",
           REFUSED: "This account is on no list of this server. Whoever runs it can add it to .streamlit/secrets.toml."
                    + ("" if address else " Its provider has not verified an e-mail address of it.")}[role]
    return Person(key, " ".join(name.split())[:80], role, why)


def at_home() -> bool:
    """Whether the page was asked for on this machine itself: by an address that nobody else can reach, and through no proxy."""
    asked = st.context.headers
    return _loopback(st.get_option("server.address")) and _loopback(_host(asked.get("Host"))) and not any(asked.get(h) for h in _FORWARDED)


def local() -> bool:
    """Whether who looks may name files of this machine: who sits at it, and nobody who signed in from elsewhere."""
    return current().providers is None and operator() and at_home()


def operator() -> bool:
    return person().role == OPERATOR


def let_in() -> None:
    """AccessError for who may not even look."""
    if (who := person()).role == REFUSED:
        raise AccessError(who.why)


def require() -> Person:
    """The operator who asks; AccessError for anybody else."""
    who = person()
    if who.role != OPERATOR:
        raise AccessError(who.why)
    return who


def action(act: Callable[..., Any]) -> Callable[..., Any]:
    """A callback that changes something: of anybody but an operator it is refused, whatever sent it, and the page says so."""
    @functools.wraps(act)
    def acted(*args: Any, **named: Any) -> Any:
        try:
            require()
        except AccessError as e:
            st.session_state[_SAID] = str(e)
            return None
        return act(*args, **named)
    return acted


def say(line: str) -> None:
    """A sentence for the head of the page when it is drawn anew."""
    st.session_state[_SAID] = line


def said() -> str:
    """What was refused since the page was drawn last, once."""
    return st.session_state.pop(_SAID, "")


def locked(disabled: bool = False, help: str | None = None) -> dict[str, Any]:
    """Of a widget that changes something: off for who may not, with why."""
    why = person().why
    return {"disabled": disabled or bool(why), "help": why or help or None}


def limits() -> Limits:
    """Of who looks. One person at this machine has none but what the file says."""
    now = current()
    return now.limits or (rules.NONE if now.providers is None and at_home() else Limits())


@functools.cache
def warn_once() -> None:
    """Tells the log that others reach the server."""
    log.warning("%s", OPEN)


def _host(header: str | None) -> str:
    """The name in a Host header; one that is not there is that of no browser."""
    if not header:
        return "localhost"
    return header.partition("]")[0].lstrip("[") if header.startswith("[") else header.rpartition(":")[0] or header


def _loopback(name: str | None) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name or "0.0.0.0").is_loopback
    except ValueError:
        return False
