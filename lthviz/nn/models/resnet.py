"""ResNets for small images (He et al. 2016): a 3×3 stem without pooling, then stages of basic blocks.

Names are torchvision's. Every change of shape has a 1×1 convolution with BatchNorm on its shortcut (option B) also in
ResNet-20, so that both have the same parameter names.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet(nn.Module):
    """widths: channels of each stage. blocks: basic blocks a stage. Every stage but the first halves the map."""

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        inputs, self._stages = widths[0], []
        for i, width in enumerate(widths, start=1):
            stage = []
            for b in range(blocks):
                stage.append(BasicBlock(inputs, width, 2 if i > 1 and b == 0 else 1))
                inputs = width
            self.add_module(f"layer{i}", nn.Sequential(*stage))
            self._stages.append(f"layer{i}")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in self._stages:
            x = getattr(self, stage)(x)
        return self.fc(self.avgpool(x).flatten(1))


def resnet20(channels: int, classes: int) -> ResNet:
    """0.27 M parameters: three stages of 16, 32 and 64 channels, three blocks each."""
    return ResNet(channels, classes, (16, 32, 64), 3)


def resnet18(channels: int, classes: int) -> ResNet:
    """11.22 M parameters with 100 classes: four stages of 64 to 512 channels, two blocks each."""
    return ResNet(channels, classes, (64, 128, 256, 512), 2)
