"""What the paper reports, to stand beside what came out here: ICML 2022 (arXiv 2202.04736), section 4 and its appendix, one seed each."""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "ICML 2022, arXiv 2202.04736, section 4 and appendix"
SPARSEST = {   # network: sparsity in percent of the sparsest winning ticket, channel-wise and group-wise; 0: none
    "CIFAR-10": {"WRN-32-2": (53, 66), "MobileNet-v1": (67, 72), "VGG-16": (60, 80), "ResNet-18": (50, 78)},
    "CIFAR-100": {"WRN-32-2": (28, 36), "MobileNet-v1": (0, 56), "VGG-16": (40, 80), "ResNet-18": (0, 78)},
}
SAVED = {"CIFAR": (64.93, "36 to 80"), "Tiny-ImageNet": (64.84, "74"), "ImageNet": (60.23, "58")}
"""Largest savings in running time in percent (RTX 2080 Ti), at sparsities in percent."""


class Series(NamedTuple):
    """Rounds from the first on: kept weights and accuracy, both in percent."""

    kept: tuple[float, ...]
    accuracy: tuple[float, ...]


RESNET18_REFILL = Series((80.29, 64.49, 51.43, 41.24, 32.97), (94.14, 94.24, 94.45, 94.16, 93.86))
RESNET18_REFILL_REINIT = (94.04, 93.96, 94.20, 93.98, 93.53)
RESNET18_REGROUP = Series((80.00, 72.95, 69.37, 67.12, 58.54), (94.48, 94.75, 94.29, 94.62, 94.32))
VGG = {   # CIFAR-100, rounds 1 to 9
    "IMP": (73.64, 73.80, 73.67, 74.01, 74.27, 74.56, 74.58, 74.52, 74.42),
    "Refill": (73.43, 72.87, 72.67, 71.37, 70.79, 71.07, 69.42, 68.75, 67.25),
    "Regroup": (73.63, 73.81, 74.31, 73.94, 75.05, 74.98, 75.24, 74.68, 75.25),
}
RATE = 0.2
"""Share that a round prunes."""


def inflation() -> list[float]:
    """Regroup's kept weights over IMP's, ResNet-18 on CIFAR-10, by round."""
    return [kept / (100 * (1 - RATE) ** i) for i, kept in enumerate(RESNET18_REGROUP.kept, 1)]


def rewinding() -> list[float]:
    """Points by which Refill's rewound tickets are above its re-initialised ones, ResNet-18 on CIFAR-10, by round."""
    return [a - b for a, b in zip(RESNET18_REFILL.accuracy, RESNET18_REFILL_REINIT, strict=True)]
