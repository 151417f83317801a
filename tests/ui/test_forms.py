"""The form covers the settings, all of them, and says what they say."""

import dataclasses

import pytest

from lthviz.config import DERIVED, STRUCTURES, RunConfig, limits
from lthviz.glossary import TERMS
from lthviz.ui import forms


def test_every_setting_is_in_the_form_once():
    grouped = [name for names in forms.GROUPS.values() for name in names]
    assert sorted([*grouped, "structures", "in_loop"]) == sorted(f.name for f in dataclasses.fields(RunConfig) if f.name not in DERIVED)


@pytest.mark.parametrize("field", dataclasses.fields(RunConfig), ids=lambda f: f.name)
def test_a_tooltip_says_help_limits_choices_source_and_flag(field):
    said, meta = forms.tooltip(field), field.metadata
    assert meta["help"][1:] in said and meta["source"] in said and f"--set {field.name}=" in said
    if meta["choices"]:
        assert all(key in said and what in said for key, what in meta["choices"].items())
    elif meta["low"] is not None:
        assert limits(field) in said


def test_a_structures_knob_is_no_flag_of_its_own():
    for cls in STRUCTURES.values():
        for field in dataclasses.fields(cls):
            assert "--set" not in forms.tooltip(field, flag=False)


def test_a_setting_that_is_a_term_is_explained_as_in_the_glossary():
    fields = {f.name: f for cls in (RunConfig, *STRUCTURES.values()) for f in dataclasses.fields(cls)}
    assert set(forms.TERMS) <= set(fields) and set(forms.DEFINED) <= set(forms.TERMS)
    for name, term in forms.TERMS.items():
        said = forms.tooltip(fields[name])
        assert TERMS[term].definition in said and f"**{term}**" in said
        assert (fields[name].metadata["help"][1:] in said) is (name not in forms.DEFINED)
