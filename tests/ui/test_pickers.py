"""Widgets that show the page's address: what is a reader's choice and what is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lthviz.ui import pickers


@pytest.fixture
def state(monkeypatch) -> dict:
    state: dict = {}
    monkeypatch.setattr(pickers, "st", SimpleNamespace(session_state=state))
    return state


def test_what_the_page_put_into_a_widget_is_no_choice(state):
    chosen = []
    key = pickers.showing("stage", "refill")
    changed = pickers.heard(key, chosen.append)
    changed()                                   # Streamlit calls it for the page's own value where a script was interrupted
    assert chosen == []
    state[key] = "regroup"
    changed()
    assert chosen == ["regroup"]


def test_a_widget_that_the_page_left_behind_still_tells_a_choice(state):
    chosen = []
    old = pickers.showing("stage", "prune")
    changed = pickers.heard(old, chosen.append)
    new = pickers.showing("stage", "refill")    # the page has moved on
    assert new != old and state[new] == "refill"
    changed()
    assert chosen == []
    state[old] = "train"
    changed()
    assert chosen == ["train"]
