"""A Ray cluster of two workers on this machine, as long as standard input stays open; as a script.

It prints one line of JSON: its address, and what its workers say of folders that they do not see.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lthviz.errors import StoreError
from lthviz.store import Store
from lthviz.sweep import cluster, rays

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    here, other = Store(folder / "here"), Store(folder / "other")
    mine, theirs = (s.keep_sweep("mine", "", "", ("x",), "ray") for s in (here, other))
    with cluster.opened("", 2, 1) as made:
        said = []
        for store, sweep in ((Store(folder / "nowhere"), mine), (Store(folder), mine), (here, theirs)):
            try:
                rays.look(made, store, sweep)
                said.append("")
            except StoreError as e:
                said.append(str(e))
        rays.look(made, here, mine)
        address = made.ray.get_runtime_context().gcs_address
        print(json.dumps({"address": address, "said": said, "cpus": made.cpus, "node_cpus": made.node_cpus}), file=sys.__stdout__, flush=True)
        sys.stdin.read()
