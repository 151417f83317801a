"""Branching: a new run that takes over a run's first rounds and makes the others anew under other settings.

The rounds before are copied, so that the parent may be deleted. A branch begins with a checkpoint, made of what the parent kept: θk, the trunk's
trained weights, and those tickets of its first own round that its settings leave as they are, which are not trained again.
"""

from __future__ import annotations

from lthviz.branching.planning import FREE, Plan, begin, branched, free, plan, settings, words

__all__ = ["FREE", "Plan", "begin", "branched", "free", "plan", "settings", "words"]
