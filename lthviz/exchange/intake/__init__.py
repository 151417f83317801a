"""Other people's networks, taken in as runs: their files are read, matched to a network of ours, and stored.

A network comes as weights, masks or both, in one file or in a folder of several rounds; it leaves as a run like any other: round 0 what was pruned, and
a round for each mask. What a file holds is looked at before anything is stored (`look`); what is not understood is said, never guessed at silently.
"""

from __future__ import annotations

from lthviz.exchange.intake.arrival import look
from lthviz.exchange.intake.came import Arrival, Asked
from lthviz.exchange.intake.run import take_in

__all__ = ["Arrival", "Asked", "look", "take_in"]
"""`look` reads and matches; `take_in` stores what it found."""
