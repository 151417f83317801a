"""The forms in which a user can run a dense network, so that a ticket is compared with the fastest of them.

Each is built from a network in evaluation mode, takes a batch of images and is compared with the network itself before it is
used. What cannot be built here, or computes something else, is left out and named with its reason.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.fx.experimental import optimization

from lthviz.errors import SpeedError, did_you_mean
from lthviz.speed import estimate

TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 1e-1}
"""Largest difference from the network's own float32 output, as a share of that output's scale, by precision."""

OWN = estimate.OWN
"""The name of this project's own dense form."""

Call = Callable[[torch.Tensor], torch.Tensor]


class Form(NamedTuple):
    """A network ready to run. call: images (N, c, h, w) to logits (N, classes). image: the batch, in the layout it likes."""

    call: Call
    image: torch.Tensor

    def run(self) -> torch.Tensor:
        return self.call(self.image)


@dataclass
class Forms:
    """What was built, by name, how far each is from the network's own output (share of its scale), and why the others were not
    built, one line each."""

    built: dict[str, Form] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def build(model: nn.Module, image: torch.Tensor, reference: torch.Tensor, which: str | tuple[str, ...] = "all", *, threads: int,
          precision: str = "float32", progress: Callable[[str], None] = lambda doing: None) -> Forms:
    """Every form of the network for batches like `image`, checked. reference: the output that each must give, float32.

    which: `all`, `quick` (eager torch and our own kernel), or names. threads: what torch is set to; the others are set to the same.
    Only the newest `torch.compile` form stays compiled.
    """
    found, folded = Forms(), fold(model)
    if precision == "bfloat16":
        folded, image = folded.to(torch.bfloat16), image.to(torch.bfloat16)
    for name in names(which, image.device.type):
        progress(f"building {name}")
        try:
            with _quiet():
                form = _BUILDERS[name](folded, image, threads)
                error = difference(form.run(), reference)
        except Exception as e:  # compilers, exporters and run times raise errors of all kinds
            found.failed[name] = one_line(e)
            continue
        if error <= TOLERANCE[precision]:
            found.built[name], found.errors[name] = form, error
        else:
            found.failed[name] = f"its output differs by {error:.1e} of the scale"
    return found


def names(which: str | tuple[str, ...], device: str = "cpu") -> tuple[str, ...]:
    """The forms that `all` or `quick` mean on that device; SpeedError for one that is not known."""
    known = _CPU if device == "cpu" else _GPU
    if which == "all":
        return known
    if which == "quick":
        return tuple(x for x in known if x in _EAGER)
    which = (which,) if isinstance(which, str) else which
    if len(which) > 1 and (group := next((x for x in which if x in ("all", "quick")), "")):
        raise SpeedError(f"baselines {','.join(which)!r}: {group} stands for several forms and goes with no other word; give all, or quick, or names "
                         f"with commas between ({', '.join(known)})")
    for name in which:
        if name not in known:
            raise SpeedError(f"baseline {name!r} is not known; {did_you_mean(name, ('all', 'quick', *known))}")
    return which


def difference(output: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest absolute difference as a share of the reference's largest absolute value; nan where something is not finite."""
    if output.shape != reference.shape:
        raise ValueError(f"the output has shape {tuple(output.shape)} instead of {tuple(reference.shape)}")
    scale = float(reference.abs().max()) or 1.0
    worst = float((output.to(reference.device).float() - reference).abs().max()) / scale
    return worst if worst < float("inf") else float("nan")


def plain(model: nn.Module) -> Call:
    """The network itself, without gradients."""
    def call(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return model(x)

    return call


def fold(model: nn.Module) -> nn.Module:
    """A copy whose BatchNorms are folded into the convolutions before them; an unfolded copy where torch.fx cannot follow it."""
    if not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()):
        return copy.deepcopy(model)
    try:
        return optimization.fuse(model)
    except Exception as e:  # torch.fx raises many kinds for control flow it cannot follow
        logging.getLogger(__name__).warning("BatchNorm is not folded in the dense baselines: %s", one_line(e))
        return copy.deepcopy(model)


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    error = getattr(error, "inner_exception", error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}".rstrip(": ")


# The forms -------------------------------------------------------------------------------------------------------------


def _contiguous(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    return Form(plain(model), image.contiguous())


def _channels_last(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    model = copy.deepcopy(model).to(memory_format=torch.channels_last)
    return Form(plain(model), image.contiguous(memory_format=torch.channels_last))


def _mkldnn(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    """Weights packed once, feature maps in the blocked layout that oneDNN prefers."""
    from torch.utils import mkldnn

    packed = plain(mkldnn.to_mkldnn(copy.deepcopy(model)))
    return Form(lambda x: packed(x.to_mkldnn()).to_dense(), image.contiguous())


def _jit(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    image = image.contiguous()
    with torch.no_grad():
        script = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, image)))
        for _ in range(3):   # it optimizes once more after the first calls
            script(image)
    return Form(_without_gradients(script), image)


def _compile(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    import torch._inductor.config as inductor

    torch._dynamo.reset()   # else a process that measures many networks runs into its limit
    model = copy.deepcopy(model).to(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    options = {"mode": "max-autotune"} if image.device.type == "cuda" else {}
    call = _without_gradients(torch.compile(model, fullgraph=True, dynamic=False, **options))
    with inductor.patch(freezing=True):
        call(image)
    return Form(call, image)


def _onnxruntime(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    import onnxruntime

    image = image.contiguous()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = onnxruntime.InferenceSession(_onnx(model, image), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Form(lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0]), image)


def _onnx(model: nn.Module, image: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    try:   # the exporter that needs no further package
        torch.onnx.export(model, (image,), buffer, dynamo=False)
    except Exception as e:   # it is deprecated, and raises errors of all kinds: then the newer one has to do
        logging.getLogger(__name__).info("the exporter of TorchScript failed (%s); the newer one is tried", one_line(e))
        buffer = io.BytesIO()
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(model, (image,), buffer, dynamo=True, external_data=False)
    return buffer.getvalue()


def _own(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    """This project's kernel with every weight in place, each layer in its fastest form as a ticket's are: what a ticket gains over it, its
    structure gains."""
    from lthviz.speed import program

    whole = program.build(model, (), tuple(image.shape[1:]), None, structural=False, batch=len(image), threads=threads)
    return Form(whole, image.contiguous())


def _graph(model: nn.Module, image: torch.Tensor, threads: int) -> Form:
    """Eager torch recorded once as a CUDA graph, so that launching its kernels costs nothing."""
    from lthviz.speed.gpu_tune import Replayed

    eager = _channels_last(model, image, threads)
    return Form(_without_gradients(Replayed(eager.call)), eager.image)


def _without_gradients(call: Call) -> Call:
    """For what does not go together with inference_mode."""
    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return call(x)

    return run


_BUILDERS: dict[str, Callable[[nn.Module, torch.Tensor, int], Form]] = {
    "torch": _contiguous, "torch channels_last": _channels_last, "torch mkldnn": _mkldnn, "torch.jit": _jit,
    "torch.compile": _compile, "onnxruntime": _onnxruntime, OWN: _own, "torch CUDA graph": _graph}
_EAGER = ("torch", "torch channels_last", "torch mkldnn", OWN, "torch CUDA graph")
_CPU = ("torch", "torch channels_last", "torch mkldnn", "torch.jit", "torch.compile", "onnxruntime", OWN)
_GPU = ("torch", "torch channels_last", "torch CUDA graph", "torch.compile")
FORMS = tuple(_BUILDERS)
"""The names of all forms, on any device."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of what is deprecated or missing inside torch: a form that does not work is told of by its name."""
    loggers = [logging.getLogger(x) for x in ("torch.utils.cpp_extension", "torch.onnx", "torch._dynamo", "torch._inductor")]
    levels = [x.level for x in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x in loggers:
            x.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for x, level in zip(loggers, levels, strict=True):
                x.setLevel(level)
