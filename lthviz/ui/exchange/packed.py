"""A packed run that was taken in, in words. What reads it is a child, as for any file from outside (`lthviz import`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KIND = "packed"
"""What `lthviz import` says of the kind of such a file."""


def sentence(value: Mapping[str, Any]) -> str:
    """What became of it. value: the answer of the child."""
    if value["new"]:
        return f"Run {value['run_id']} was taken in from {value['source']}."
    return f"Run {value['run_id']} is here already, and is the same; of {value['source']} only newer measurements were taken in."
