"""What the page offers is what the command makes, under the same name and suffix, and every form is in one group."""

from collections import Counter

from lthviz.export import WHOLE
from lthviz.exchange.formats import FORMATS
from lthviz.ui.exchange import menu


def test_every_form_of_the_command_is_offered_once():
    offered = menu.forms()
    assert Counter(f.name for forms in menu.groups().values() for f in forms) == Counter([*FORMATS, *WHOLE])
    assert {n: (f.suffix, f.needs_weights) for n, f in offered.items() if not f.whole} == {n: (f.suffix, f.needs_weights) for n, f in FORMATS.items()}
    assert {n: f.suffix for n, f in offered.items() if f.whole} == {n: f.suffix for n, f in WHOLE.items()}
    assert "Others" not in menu.groups() and all(f.by for f in offered.values()), "a new form belongs to a group and says what reads it"
