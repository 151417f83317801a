"""LTHviz in a browser: `streamlit run app.py`. This page is Home; the others are in pages/."""

import streamlit as st

from lthviz.presets import preset
from lthviz.ui import access, frame, gallery, signin, start

frame.frame("LTHviz")
st.title("A laboratory for structurally sparse lottery tickets", anchor=False)
st.html("<p class='lead'>Most weights of a trained network can be removed, and what is left, rewound to where it began, learns as well: "
        "a winning ticket. Refill and Regroup turn such a scattered ticket into whole channels and dense blocks. "
        "Here you watch it happen to a real network, stage by stage and weight by weight.</p>")
with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="begin"):
    if st.button("Start the digits study", type="primary", icon=":material/play_arrow:", key="start-digits",
                 **access.locked(help="Trains and prunes a small network on handwritten digits, here, now")):
        start.begin(preset("digits").config, "digits")
    st.page_link("pages/learn.py", label="Take the course", icon=":material/school:")
    st.page_link("pages/lab.py", label="Set up another study", icon=":material/tune:", query_params={"new": "digits"})
signin.note()
with frame.answering():
    gallery.show()
