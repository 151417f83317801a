from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn


class Own(nn.Module):
    """Somebody's network: names of their own, a residual sum, a depthwise convolution, a bias, no `conv1`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.n1 = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.deep, self.n2 = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False), nn.BatchNorm2d(32)
        self.wide, self.n3 = nn.Conv2d(32, 48, 1, bias=False), nn.BatchNorm2d(48)
        self.more, self.n4 = nn.Conv2d(48, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48)
        self.head = nn.Linear(48, 7)

    def forward(self, x):
        x = torch.relu(self.n2(self.deep(torch.relu(self.n1(self.first(x))))))
        x = torch.relu(self.n3(self.wide(x)))
        x = x + torch.relu(self.n4(self.more(x)))
        return self.head(x.mean((2, 3)))


class Untraceable(Own):
    def forward(self, x):
        return super().forward(x if x.sum() > -1e9 else -x)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def own() -> Own:
    """With BatchNorms that say something, in evaluation mode."""
    torch.manual_seed(3)
    model = Own()
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                for t in (m.weight, m.running_var):
                    t.copy_(torch.rand(t.shape) + 0.5)
                for t in (m.bias, m.running_mean):
                    t.copy_(torch.randn(t.shape) / 4)
    return model.eval()


@pytest.fixture
def untraceable() -> Untraceable:
    torch.manual_seed(3)
    return Untraceable().eval()


class Block(nn.Module):
    def __init__(self, c: int, out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, out, 3, padding=1, stride=out // c, bias=False), nn.BatchNorm2d(out)

    def forward(self, x):
        return torch.relu(self.bn1(self.conv1(x)))


def small() -> nn.Module:
    """With the layers that the documents name: `layer1.0.conv1`, `layer3.0.conv1`."""
    torch.manual_seed(0)
    stages = {f"layer{i}": nn.Sequential(Block(c, out)) for i, (c, out) in enumerate([(16, 16), (16, 32), (32, 64)], 1)}
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, 16, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(16), relu=nn.ReLU(), **stages, pool=nn.AdaptiveAvgPool2d(1),
                                     flat=nn.Flatten(), fc=nn.Linear(64, 10)))


@pytest.fixture(scope="session")
def small_network():
    return small
