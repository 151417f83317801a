"""The mask view in Streamlit's own test harness."""

from streamlit.testing.v1 import AppTest


def test_it_runs_in_streamlits_own_test_harness():
    script = """
import numpy as np, streamlit as st
from lthviz.ui.maskview import mask_view
st.text(repr(mask_view(np.eye(4, dtype=bool), np.ones((4, 4), bool), key="m", mode="diff")))
"""
    app = AppTest.from_string(script, default_timeout=20).run()
    assert not app.exception
    assert app.text[0].value == "None"
