"""ResNets (He et al. 2016) and a wide one: a stem, then stages of basic or bottleneck blocks. Names are torchvision's.

For small images the stem is a 3×3 convolution without pooling, else 7×7 with stride 2 and max pooling. Every change of shape has
a 1×1 convolution with BatchNorm on its shortcut (option B) also in ResNet-20, so that all have the same parameter names.
"""

from __future__ import annotations

from torch import Tensor, nn


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1×1 down to `width` channels, 3×3, 1×1 up to four times as many, beside a shortcut. The 3×3 has the stride."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet(nn.Module):
    """widths: of each stage. blocks: of each stage. Every stage but the first halves the map."""

    def __init__(self, channels: int, classes: int, form: str, block: type[BasicBlock | Bottleneck], widths: tuple[int, ...],
                 blocks: tuple[int, ...]) -> None:
        super().__init__()
        large = form == "imagenet"
        self.conv1 = nn.Conv2d(channels, widths[0], 7, 2, 3, bias=False) if large else nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if large else None
        inputs, self._stages = widths[0], []
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            stage = []
            for b in range(count):
                stage.append(block(inputs, width, 2 if i > 1 and b == 0 else 1))
                inputs = block.expansion * width
            self.add_module(f"layer{i}", nn.Sequential(*stage))
            self._stages.append(f"layer{i}")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        if self.maxpool is not None:
            x = self.maxpool(x)
        for stage in self._stages:
            x = getattr(self, stage)(x)
        return self.fc(self.avgpool(x).flatten(1))


def resnet8(channels: int, classes: int, form: str = "cifar") -> ResNet:
    """1.23 M parameters: three stages of 64, 128 and 256 channels, one block each. Ours, not the paper's: wide enough for channel-wise tickets and
    groups, and in ImageNet form cheap enough to be trained on CIFAR-10 without a GPU."""
    return ResNet(channels, classes, form, BasicBlock, (64, 128, 256), (1, 1, 1))


def resnet20(channels: int, classes: int, form: str = "cifar") -> ResNet:
    """0.27 M parameters: three stages of 16, 32 and 64 channels, three blocks each."""
    return ResNet(channels, classes, form, BasicBlock, (16, 32, 64), (3, 3, 3))


def wrn32_2(channels: int, classes: int, form: str = "cifar") -> ResNet:
    """WRN-32-2, 1.86 M parameters: ResNet-32, five blocks a stage, twice as wide (GraSP's and the paper's wide ResNet)."""
    return ResNet(channels, classes, form, BasicBlock, (32, 64, 128), (5, 5, 5))


def resnet18(channels: int, classes: int, form: str = "cifar") -> ResNet:
    """11.22 M parameters with 100 classes: four stages of 64 to 512 channels, two blocks each."""
    return ResNet(channels, classes, form, BasicBlock, (64, 128, 256, 512), (2, 2, 2, 2))


def resnet50(channels: int, classes: int, form: str = "cifar") -> ResNet:
    """25.56 M parameters in ImageNet form: four stages of 3, 4, 6 and 3 bottleneck blocks."""
    return ResNet(channels, classes, form, Bottleneck, (64, 128, 256, 512), (3, 4, 6, 3))
