from __future__ import annotations

import pytest
import torch

from lthviz.config import RunConfig
from lthviz.nn import data


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small tensors gain nothing from a second thread, and bits depend on their number."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def config() -> RunConfig:
    """A training of 2 epochs of 6 batches on 90 digits, the last batch short."""
    return RunConfig(model="convnet", data="digits", epochs=2, batch_size=16, train_images=90, augment="shift", schedule="cosine",
                     warmup=1, weight_decay=5e-3, rewind=0.25, threads=1)


@pytest.fixture(scope="session")
def images(config) -> data.Images:
    return data.load(config, "cpu")
