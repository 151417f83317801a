"""A small network for 8×8 images whose three prunable layers have 128 channels each, wide enough for groups to form."""

from __future__ import annotations

from torch import Tensor, nn


class ConvNet(nn.Module):
    """A stem of 32 channels, three 3×3 convolutions of 128 (the first two halve the map), average, linear."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        modules: list[nn.Module] = []
        for inputs, stride in ((32, 2), (128, 2), (128, 1)):
            modules += [nn.Conv2d(inputs, 128, 3, stride, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*modules)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.avgpool(x).flatten(1))
