"""What a threshold would make of a round's masks, before anything is trained: partitions and scores that are kept, numbers of
every layer, and how they answer to the settings. Looking imports neither torch nor a partitioner: what takes long is done by a process of its own.
"""

from lthviz.tuning.previewing import Preview, preview
from lthviz.tuning.sensitivity import Cell, column
from lthviz.tuning.sources import TUNABLE, Source, source

__all__ = ["TUNABLE", "Cell", "Preview", "Source", "column", "preview", "source"]
