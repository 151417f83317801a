"""Runs on disk; the only part that knows HDF5. See data/README.md for the tree."""

from lthviz.store.store import Store

__all__ = ["Store"]
