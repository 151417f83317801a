"""What the secrets file says of who may do what: addresses, claims, slips of the pen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.ui import rules
from lthviz.ui.rules import OPERATOR, REFUSED, VIEWER, Limits, Rules

AUTH = {"client_id": "x", "client_secret": "y", "cookie_secret": "z"}
ROLES = {"operators": ["Ada@Example.org ", "@boss.org"], "viewers": ["@example.org"]}


def told(roles: dict, **claims: object) -> str:
    return rules.role(rules.read({"auth": AUTH, "lthviz": {"roles": roles}}), claims)


@pytest.mark.parametrize(("address", "verified", "role"), [
    ("ada@example.org", True, OPERATOR), ("ADA@EXAMPLE.ORG", True, OPERATOR), ("ada@example.org", "true", OPERATOR), (" ada@example.org", True, OPERATOR),
    ("vera@example.org", True, VIEWER), ("x@boss.org", True, OPERATOR), ("x@sub.boss.org", True, REFUSED), ("x@notboss.org", True, REFUSED),
    ("ada@example.org@evil.org", True, REFUSED), ("ada@example.org", False, REFUSED), ("ada@example.org", None, REFUSED), ("ada@example.org", 1.5, REFUSED),
    ("ada@example.org", "false", REFUSED), ("ada@example.org", "yes", REFUSED), ("", True, REFUSED), (None, True, REFUSED), (["ada@example.org"], True, REFUSED),
    ("elsewhere@other.org", True, REFUSED)])
def test_an_address_counts_in_any_case_and_only_where_it_is_verified(address, verified, role):
    assert told(ROLES, email=address, email_verified=verified) == role


def test_letters_that_only_look_alike_are_others():
    """Python's lower() makes a k of the Kelvin sign, and casefold() an ss of the sharp s."""
    roles = {"operators": ["kate@example.org", "strasse@example.org"]}
    assert "\u212aate@example.org".lower() == "kate@example.org" and "straße".casefold() == "strasse"
    for address in ("\u212aate@example.org", "straße@example.org", "kate@example.org\u200b"):
        assert told(roles, email=address, email_verified=True) == REFUSED


def test_a_claims_values_are_no_addresses_and_addresses_no_values():
    roles = {"operators": ["ada@example.org"], "claim": "groups", "operator_values": ["staff"], "viewer_values": ["guests"]}
    assert told(roles, groups=["x", "staff"]) == OPERATOR and told(roles, groups="guests") == VIEWER
    for groups in ("Staff", ["ada@example.org"], {"staff": 1}, None, 3, [["staff"]], "staff,x"):
        assert told(roles, groups=groups) == REFUSED
    assert told({"operators": ["ada@example.org"]}, groups=["staff"]) == REFUSED


def test_who_is_on_no_list_is_refused_unless_told_otherwise():
    assert told({}, email="a@b.c", email_verified=True) == REFUSED
    assert told({"others": "viewer"}, sub="anyone") == VIEWER


@pytest.mark.parametrize(("ours", "words"), [
    ({"role": {}}, "did you mean roles"), ({"roles": {"operator": []}}, "did you mean operators"), ({"roles": {"operators": "ada@example.org"}}, "give a list of texts"),
    ({"roles": {"operators": ["ada"]}}, "give e-mail addresses"), ({"roles": {"others": "operator"}}, "give refused or viewer"), ({"roles": {"operator_values": ["x"]}}, "say in claim of which"),
    ({"open": "everyone"}, "give operator or viewer"), ({"limits": {"jobs": True}}, "give a whole number"), ({"limits": {"jobs": -1}}, "give a whole number"), ({"limits": {"runs": 1}}, "did you mean"),
    ([], "it is to be a table"), ({"roles": {"operators": ["x@"]}}, "give e-mail addresses"), ({"roles": {"viewers": [3]}}, "give a list of texts")])
def test_a_slip_of_the_pen_opens_no_door(ours, words):
    found = rules.read({"auth": AUTH, "lthviz": ours})
    assert words in found.fault and "\n" not in found.fault


@given(st.dictionaries(st.sampled_from(["auth", "lthviz"]), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=12), lambda x: st.lists(x, max_size=3) | st.dictionaries(
    st.sampled_from(["roles", "limits", "open", "operators", "viewers", "others", "claim", "jobs", "client_id"]), x, max_size=3), max_leaves=8)),
       st.dictionaries(st.sampled_from(["email", "email_verified", "groups", "sub"]), st.none() | st.booleans() | st.text(max_size=8) | st.lists(st.text(max_size=4))))
def test_whatever_the_file_says_the_answer_is_a_role_or_a_fault(secrets, claims):
    found = rules.read(secrets)
    if found.fault:
        assert found.operators == () and found.limits is None
    else:
        assert rules.role(found, claims) in (OPERATOR, VIEWER, REFUSED)
        assert rules.role(found, claims) != OPERATOR or found.operators or found.operator_values


def test_without_a_word_of_us_nobody_signs_in_and_nothing_is_limited_by_the_file():
    assert rules.read({}) == Rules() and rules.read({"other": {"x": 1}}) == Rules()
    assert rules.read({"lthviz": {"limits": {"jobs": 1}}}).limits == Limits(jobs=1)


def test_whoever_writes_auth_wants_a_sign_in():
    assert rules.read({"auth": {}}).providers == () and rules.read({"auth": 3}).providers == ()
    assert rules.read({"auth": AUTH}).providers == ("",)
    assert rules.read({"auth": {"cookie_secret": "z", "google": AUTH, "keycloak": AUTH}}).providers == ("google", "keycloak")
