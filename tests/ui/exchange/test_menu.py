"""What the page offers is what the command makes, under the same name and suffix, and every form is in one group."""

import json

from lthviz.cli import main
from lthviz.ui.exchange import menu


def test_every_form_of_the_command_is_offered_once(capsys):
    assert main(["export", "--list", "--json"]) == 0
    made = {f["format"]: (f["suffix"], f["needs_weights"], f["of"] == "run") for f in json.loads(capsys.readouterr().out)}
    offered = [f for forms in menu.groups().values() for f in forms]
    assert {f.name: (f.suffix, f.needs_weights, f.whole) for f in offered} == made and len(offered) == len(made)
    assert "Others" not in menu.groups() and all(f.by for f in offered), "a new form belongs to a group and says what reads it"
