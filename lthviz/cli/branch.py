"""branch: a new run that takes over the first rounds of another and makes the others under other settings."""

from __future__ import annotations

import argparse
import sys

from lthviz import branching
from lthviz.cli.runs import together
from lthviz.config import DERIVED, assignments
from lthviz.errors import UsageError
from lthviz.store import Store

EPILOG = f"""a branch may differ from its parent in {', '.join(sorted(branching.FREE))}, and in where it runs; on the other settings the
rounds that it takes over rest. What the new settings leave as it is in round K is taken over as well, so that the one structure more of

  lthviz branch RUN --round 3 --set rounds=3 --set structures=regroup-t1=2.0

costs one training. The settings and their limits: lthviz run --help"""


def branch(args: argparse.Namespace) -> int:
    def make(store: Store) -> str:
        changes = assignments(args.set)
        if wrong := sorted(DERIVED & changes.keys()):
            raise UsageError(f"--set {wrong[0]}=… is not needed: RUN and --round say what is branched; leave it out")
        parent = store.run(args.run)
        config = branching.settings(parent).replace(**changes)
        plan = branching.plan(store, parent.id, args.round, config)
        print(f"branches {parent.id} at round {args.round}: {branching.words(plan)}", file=sys.stderr)
        return branching.begin(store, parent.id, args.round, config, title=args.title)

    return together(args, make)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the parent: finished, at work, stopped or an example")
    parser.add_argument("--round", type=int, required=True, metavar="K", help="the first round of its own; those before are the parent's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting that is not the parent's; may be repeated")
    parser.add_argument("--title", default="", metavar="T", help="its name for people")
