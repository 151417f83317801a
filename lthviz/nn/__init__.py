"""How a ticket learns: networks, data, masks and training, on torch. Importing this package checks that torch can be used.

A CPU-only torch beside the torchvision that PyPI serves (or any other unmatched pair) fails inside torchvision's import;
that failure becomes one sentence here, before anything else of this package is read.
"""

from __future__ import annotations

from importlib import metadata

from lthviz.errors import EnvironmentFault, TorchMismatch


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _check() -> None:
    """Import torch and torchvision; EnvironmentFault when one is missing, TorchMismatch when they do not fit each other."""
    package = "torch"
    try:
        import torch

        package = "torchvision"
        import torchvision
    except ModuleNotFoundError as e:
        if e.name != package:
            raise
        raise EnvironmentFault(f"{package} is not installed; install the pair with `pip install torch torchvision`") from None
    except (RuntimeError, ImportError, OSError) as e:
        if package == "torch":
            raise EnvironmentFault(f"torch {_version('torch')} cannot be loaded ({_line(e)}); "
                                   "reinstall the pair with `pip install --force-reinstall torch torchvision`") from e
        raise TorchMismatch(
            f"torch {_version('torch')} and torchvision {_version('torchvision')} do not belong together ({_line(e)}); install a "
            "matched pair: for a CPU `pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu`, "
            "else `pip install --force-reinstall torch torchvision`") from e
    del torch, torchvision


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_check()
