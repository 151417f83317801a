"""Where the tensors live and how many threads work on them."""

from __future__ import annotations

import os

import torch

from lthviz.config import RunConfig
from lthviz.errors import ConfigError


def pick(config: RunConfig) -> torch.device:
    """The device of `config.device`; ConfigError for a GPU that is not there."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda', but torch sees no GPU here; use device = 'auto' or 'cpu'")
    if config.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def use_threads(config: RunConfig) -> int:
    """Let torch use `config.threads` CPU threads (0: every core this process may use); returns their number.

    Sums are split by thread, so results are bit-equal only between processes with equal numbers of threads.
    """
    count = config.threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    torch.set_num_threads(count)
    return count


def memory_format(config: RunConfig) -> torch.memory_format:
    return torch.channels_last if config.memory_format == "channels_last" else torch.contiguous_format
