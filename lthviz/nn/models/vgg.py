"""VGG-16 with BatchNorm for small images (Simonyan and Zisserman 2015), with one linear layer as its classifier.

`features` is torchvision's `vgg16_bn`, except that its convolutions have no bias: the BatchNorm behind each has one.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""(channels, convolutions) of each stage; a 2×2 max pooling ends it."""


class VGG(nn.Module):
    def __init__(self, channels: int, classes: int, stages: tuple[tuple[int, int], ...] = STAGES) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for width, count in stages:
            for _ in range(count):
                modules += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def vgg16(channels: int, classes: int) -> VGG:
    """14.72 M parameters with 10 classes; thirteen convolutions, all of them prunable."""
    return VGG(channels, classes)
