"""One small real run that several tests share: digits, a few images, seconds on one thread."""

from __future__ import annotations

from lthviz.config import Random, Refill, Regroup, RunConfig

SMALL = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4, min_rows=8), Random()), rounds=2, epochs=2,
                  batch_size=20, train_images=60, lr=0.05, schedule="cosine", rewind=0.2, augment="shift",
                  memory_format="channels_last", threads=1, keep_weights="all", device="cpu")
