"""VGG-16 with BatchNorm (Simonyan and Zisserman 2015): `features` is torchvision's `vgg16_bn`.

For small images one linear layer behind a global average classifies, and convolutions have no bias, since the BatchNorm behind
each has one. The ImageNet form is torchvision's network, biases and three linear layers included.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""(channels, convolutions) of each stage; a 2×2 max pooling ends it."""


class VGG(nn.Module):
    def __init__(self, channels: int, classes: int, form: str = "cifar", stages: tuple[tuple[int, int], ...] = STAGES, hidden: int = 4096) -> None:
        """hidden: width of the ImageNet form's two linear layers before the last."""
        super().__init__()
        large, modules = form == "imagenet", []
        for width, count in stages:
            for _ in range(count):
                modules += [nn.Conv2d(channels, width, 3, padding=1, bias=large), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        self.avgpool = nn.AdaptiveAvgPool2d(7 if large else 1)
        self.classifier = nn.Linear(channels, classes) if not large else nn.Sequential(
            nn.Linear(49 * channels, hidden), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(hidden, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def vgg16(channels: int, classes: int, form: str = "cifar") -> VGG:
    """14.72 M parameters with 10 classes, 138.4 M in ImageNet form; thirteen convolutions, all of them prunable."""
    return VGG(channels, classes, form)
