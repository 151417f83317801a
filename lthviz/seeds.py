"""Where randomness comes from: a seed for each purpose, derived, never advanced.

Nothing keeps a generator's state, so a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import hashlib


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. `derive(config.seed, "order", epoch)`; equal arguments give equal seeds."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
