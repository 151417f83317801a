"""MobileNet-v1 (Howard et al. 2017): a depthwise 3×3 and a pointwise 1×1 convolution by turns.

Names are those of the paper's released code (`layers.3.conv1` depthwise, `layers.3.conv2` pointwise), so that its masks can be
read. Unlike there, the average before the classifier is over the whole map, whatever its size.
"""

from __future__ import annotations

from torch import Tensor, nn

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""(channels, stride) of each block."""


class Separable(nn.Module):
    """A depthwise convolution, which has the stride, and a pointwise one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class MobileNet(nn.Module):
    """stem: channels of the first convolution, which halves the map in ImageNet form alone."""

    def __init__(self, channels: int, classes: int, form: str = "cifar", stem: int = 32, blocks: tuple[tuple[int, int], ...] = BLOCKS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, stem, 3, 2 if form == "imagenet" else 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        widths = [stem, *(width for width, _ in blocks)]
        self.layers = nn.Sequential(*(Separable(i, width, stride) for i, (width, stride) in zip(widths, blocks)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(self.relu(self.bn1(self.conv1(x))))
        return self.linear(self.avgpool(x).flatten(1))


def mobilenet_v1(channels: int, classes: int, form: str = "cifar") -> MobileNet:
    """3,217,226 parameters with 10 classes (the paper cuts them to 3.21 M), 4.23 M in ImageNet form."""
    return MobileNet(channels, classes, form)
