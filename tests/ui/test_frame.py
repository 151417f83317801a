"""The frame of every page: words that come from elsewhere are shown as they are."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

from lthviz.ui import frame

MARKDOWN = "![x](http://a.b/c.png) <img src='x'> [l](x) **b** `c` $x$ :red[a] # 1. - > | ~~s~~ _u_ a\\b &amp; <!-- -->"


@given(st.one_of(st.text(), st.text(alphabet=MARKDOWN), st.just(MARKDOWN)))
def test_plain_words_are_read_back_from_markdown_as_one_paragraph(words):
    """By a CommonMark reader that is not Streamlit's (rich brings it), tables and strike-through switched on."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(frame.plain(words))
    want = " ".join(words.split()).replace("\0", "\ufffd")
    assert [t.type for t in tokens] == (["paragraph_open", "inline", "paragraph_close"] if want else [])
    for inline in tokens[1:2]:
        assert {t.type for t in inline.children} <= {"text", "text_special"}
        assert "".join(t.content for t in inline.children) == want


def test_a_state_that_is_not_known_has_a_badge():
    at = AppTest.from_string("from lthviz.records import Status\nfrom lthviz.ui import frame\nframe.badge(Status('archived'))").run()
    assert not at.exception and "archived" in at.markdown[0].value
