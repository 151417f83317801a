"""What every command prints: JSON when asked for, else words and tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table


def show_result(args: argparse.Namespace, payload: Any, words: Callable[[], Any]) -> None:
    """The payload as JSON with --json, else what `words` makes of it."""
    if args.json:
        print(json.dumps(payload, indent=2, allow_nan=False, default=float))
    else:
        Console(highlight=False, soft_wrap=True).print(words())


def new_table(*columns: str, whole: str, title: str | None = None) -> Table:
    """A table whose column `whole` is never shortened: what stands there is typed again."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, no_wrap=name == whole, overflow="ignore" if name == whole else "fold")
    return table
