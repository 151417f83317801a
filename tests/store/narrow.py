"""The small network of the digits study, a good deal narrower: what the runs in format1.tar.xz are made of, so that they are some kilobytes."""

from __future__ import annotations

from torch import Tensor, nn

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.nn import models

CONFIG = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=2, min_rows=4), Random()), rounds=1, rate=0.4, epochs=2, batch_size=20, train_images=60,
                   lr=0.05, schedule="cosine", rewind=0.2, augment="shift", threads=1, keep_weights="trunk", device="cpu", seed=8)
OTHER = CONFIG.replace(seed=9, structures=(Refill(),), keep_weights="all")


class Narrow(nn.Module):
    """A stem of 4 channels, three 3×3 convolutions of 8, 16 and 16, average, linear."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(channels, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        modules: list[nn.Module] = []
        for inputs, outputs, stride in ((4, 8, 2), (8, 16, 2), (16, 16, 1)):
            modules += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        self.features, self.avgpool, self.fc = nn.Sequential(*modules), nn.AdaptiveAvgPool2d(1), nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.features(self.relu(self.bn1(self.conv1(x))))).flatten(1))


BACKBONE = models.Backbone(lambda channels, classes, form: Narrow(channels, classes), "conv1", {"cifar": 4})
"""To stand in the place of models.BACKBONES["convnet"] while such a run is trained."""
