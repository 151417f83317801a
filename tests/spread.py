"""How the tests are spread over processes (`pytest -n 2`): a file is one process's, and so is a folder of which all use one dear fixture."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/sweep/",)
"""Folders whose session-wide fixtures are made in one process only."""
FIRST = ("tests/browser/", "tests/sweep/", "tests/branching/", "tests/test_launch", "tests/speed/", "tests/pages/", "tests/cli/", "tests/methods/", "tests/test_")
"""What takes longest begins first, so that no process ends long after the others."""


def rank(nodeid: str) -> int:
    """The place of a test's file in the order."""
    return next((i for i, head in enumerate(FIRST) if nodeid.startswith(head)), len(FIRST))


class ByFile(LoadScopeScheduling):
    """Files in the order of the collection, each to the process that is free."""

    def __init__(self, config, log=None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)
