"""What `.streamlit/secrets.toml` says of who may do what. Nothing in it: one person at this machine, who may do everything.

    [auth]                                  # Streamlit's own: with it nobody sees anything before signing in
    …
    [lthviz]
    open = "viewer"                         # without sign-in: what everybody is; left out: operator on loopback alone, else viewer
    [lthviz.roles]
    operators = ["ada@example.org"]         # addresses, or @example.org for all of a domain
    viewers = ["@example.org"]
    others = "refused"                      # who signs in and is on no list: refused, or viewer
    claim = "groups"                        # a claim of the provider's whose values count as well:
    operator_values = ["lab-staff"]
    viewer_values = ["lab-guests"]
    [lthviz.limits]                         # of each person; 0: none
    queued_runs = 20
    …

A file that cannot be understood lets nobody in: a slip of the pen opens no door.
"""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lthviz.errors import ConfigError, did_you_mean

OPERATOR, VIEWER, REFUSED = "operator", "viewer", "refused"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""Of ASCII alone: `str.lower` makes a k of the Kelvin sign, so that another's address would be taken for one on the list."""


@dataclass(frozen=True)
class Limits:
    """Of each person; 0: none. queued_runs: that wait at once. uploads_per_hour, upload_mb_per_hour: files, and megabytes of 1,000,000 bytes, in the
    last hour. jobs: processes of the page Exchange at once."""

    queued_runs: int = 20
    uploads_per_hour: int = 60
    upload_mb_per_hour: int = 4000
    jobs: int = 3


NONE = Limits(0, 0, 0, 0)


@dataclass(frozen=True)
class Rules:
    """The file's text, checked. providers: names of `[auth.NAME]`, '' for `[auth]` itself; None: nobody signs in. open: '' is left to the address.
    limits: None where the file says nothing of them. fault: why nobody is let in."""

    providers: tuple[str, ...] | None = None
    open: str = ""
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    others: str = REFUSED
    claim: str = ""
    operator_values: tuple[str, ...] = ()
    viewer_values: tuple[str, ...] = ()
    limits: Limits | None = None
    fault: str = ""


def read(secrets: Mapping[str, Any]) -> Rules:
    """Of the file's tables; what is wrong with them is the rules' `fault`, and then they let nobody in."""
    providers = _providers(secrets.get("auth"))
    try:
        ours = _table(secrets.get("lthviz", {}), "lthviz", ("open", "roles", "limits"))
        roles = _table(ours.get("roles", {}), "lthviz.roles", ("operators", "viewers", "others", "claim", "operator_values", "viewer_values"))
        limits = _table(ours.get("limits", {}), "lthviz.limits", tuple(f.name for f in dataclasses.fields(Limits)))
        if wrong := next((k for k, v in limits.items() if type(v) is not int or v < 0), None):
            raise ConfigError(f"[lthviz.limits] {wrong} is {limits[wrong]!r}; give a whole number, 0 for no limit")
        found = Rules(providers, _one(ours, "open", "", ("", OPERATOR, VIEWER)), _addresses(roles, "operators"), _addresses(roles, "viewers"),
                      _one(roles, "others", REFUSED, (REFUSED, VIEWER)), _one(roles, "claim", ""), _words(roles, "operator_values"), _words(roles, "viewer_values"),
                      Limits(**limits) if limits else None)
        if (found.operator_values or found.viewer_values) and not found.claim:
            raise ConfigError("[lthviz.roles] has values of a claim; say in claim of which, as in claim = \"groups\"")
    except ConfigError as e:
        return Rules(providers, fault=str(e))
    return found


def closed(why: str) -> Rules:
    """Those of a file that cannot be read."""
    return Rules((), fault=why)


def role(rules: Rules, claims: Mapping[str, Any]) -> str:
    """Of who signed in: by address, which the provider must have verified, or by a value of the claim that the rules name; the higher counts."""
    address, values = email(claims), _values(claims.get(rules.claim)) if rules.claim else set()
    if _listed(address, rules.operators) or values & set(rules.operator_values):
        return OPERATOR
    if _listed(address, rules.viewers) or values & set(rules.viewer_values):
        return VIEWER
    return rules.others


def email(claims: Mapping[str, Any]) -> str:
    """The verified address in small letters; '' without one. (Some providers write the claim as a text.)"""
    found = claims.get("email")
    return lower(found) if isinstance(found, str) and "@" in found and claims.get("email_verified") in (True, "true") else ""


def lower(address: str) -> str:
    return address.strip().translate(_LOWER)


def _listed(address: str, entries: Sequence[str]) -> bool:
    return bool(address) and (address in entries or f"@{address.rpartition('@')[2]}" in entries)


def _values(found: Any) -> set[str]:
    return {found} if isinstance(found, str) else {v for v in found if isinstance(v, str)} if isinstance(found, (list, tuple)) else set()


def _providers(auth: Any) -> tuple[str, ...] | None:
    """Whoever writes [auth] wants a sign-in, even where it is not whole yet."""
    if auth is None:
        return None
    if not isinstance(auth, Mapping):
        return ()
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and "client_id" in value]
    return tuple([""] * ("client_id" in auth) + named)


def _table(value: Any, name: str, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"[{name}] is {value!r}; it is to be a table")
    if unknown := next((k for k in value if k not in known), None):
        raise ConfigError(f"[{name}] has {unknown!r}; {did_you_mean(unknown, known)}")
    return value


def _one(table: Mapping[str, Any], name: str, usual: str, known: Sequence[str] = ()) -> str:
    found = table.get(name, usual)
    if not isinstance(found, str) or (known and found not in known):
        raise ConfigError(f"{name} is {found!r}; " + (f"give {' or '.join(filter(None, known))}" if known else "give a text"))
    return found


def _words(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = table.get(name, ())
    if isinstance(found, str) or not isinstance(found, Sequence) or not all(isinstance(x, str) and x for x in found):
        raise ConfigError(f"[lthviz.roles] {name} is {found!r}; give a list of texts, as in [\"…\"]")
    return tuple(found)


def _addresses(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = _words(table, name)
    if wrong := next((x for x in found if "@" not in x or x.strip().endswith("@")), None):
        raise ConfigError(f"[lthviz.roles] {name} has {wrong!r}; give e-mail addresses, or @example.org for all of a domain")
    return tuple(lower(x) for x in found)
