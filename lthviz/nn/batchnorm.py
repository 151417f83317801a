"""BatchNorm over a batch that several processes hold in parts: forward, backward and running statistics of the whole batch.

On GPUs torch's SyncBatchNorm does it; it has no CPU form, which is here. Parts may differ in size or be empty.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed as dist
from torch.nn import functional as F
from torch.nn.modules._functions import SyncBatchNorm
from torch.overrides import TorchFunctionMode


class Global(TorchFunctionMode):
    """Inside, every `F.batch_norm` that takes batch statistics takes those of all processes of the group, whatever module calls it."""

    def __init__(self, group: dist.ProcessGroup, size: int) -> None:
        super().__init__()
        self.group, self.size = group, size

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is not F.batch_norm:
            return func(*args, **(kwargs or {}))
        return self._batch_norm(*args, **(kwargs or {}))

    def _batch_norm(self, x: torch.Tensor, mean: torch.Tensor | None, var: torch.Tensor | None, weight: torch.Tensor | None = None,
                    bias: torch.Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> torch.Tensor:
        if not training:
            return F.batch_norm(x, mean, var, weight, bias, False, momentum, eps)
        if x.device.type == "cuda":
            return SyncBatchNorm.apply(x, weight, bias, mean, var, eps, momentum, self.group, self.size)
        return _Global.apply(x, weight, bias, mean, var, momentum, eps, self.group, self.size)


class _Global(torch.autograd.Function):
    """Statistics are joined in float64 in the order of the ranks: the same bits in every process.

    Normalising with given statistics is torch's own evaluation kernel. For y = γ·x̂ + β of n values a channel the gradient is
    ∂x = γ/σ·(∂y − mean(∂y) − x̂·mean(∂y·x̂)): the kernel's γ/σ·∂y, and what is left is itself a normalisation of x.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, running_mean: torch.Tensor | None,
                running_var: torch.Tensor | None, momentum: float, eps: float, group: dist.ProcessGroup, size: int) -> torch.Tensor:
        n, c, kind = x.numel() // x.shape[1], x.shape[1], torch.promote_types(x.dtype, torch.float32)
        mine = torch.zeros(2 * c + 1, dtype=torch.float64)
        if n:
            kept = torch.zeros(2, c, dtype=kind)   # without them the statistics of bfloat16 would be bfloat16
            mean, var = torch.batch_norm_update_stats(x, kept[0], kept[1], 0.0)
            mine = torch.cat([mean.double(), var.double() * n, torch.tensor([n], dtype=torch.float64)])
        parts = [torch.empty_like(mine) for _ in range(size)]
        dist.all_gather(parts, mine, group=group)
        parts = torch.stack(parts)
        means, squares, counts = parts[:, :c], parts[:, c:2 * c], parts[:, 2 * c:]
        total = counts.sum()
        mean = (means * counts).sum(0) / total
        square = squares.sum(0) + (counts * (means - mean).square()).sum(0)   # Chan et al. 1983
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((square / (total - 1)).to(running_var.dtype), momentum)
        mean, var = mean.to(kind), (square / total).to(kind)
        ctx.save_for_backward(x, weight, mean, var)
        ctx.eps, ctx.group, ctx.total = eps, group, float(total)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        c, rstd = x.shape[1], (var + ctx.eps).rsqrt()
        sums = torch.zeros(2 * c, dtype=mean.dtype)
        dx = torch.zeros_like(x)
        scale = torch.ones_like(mean) if weight is None else weight
        if x.numel():
            dx, by_scale, by_shift = torch.ops.aten.native_batch_norm_backward(
                dy, x, scale, mean, var, mean, rstd, False, ctx.eps, [True, True, True])
            sums = torch.cat([by_scale, by_shift])
        own = sums.clone()
        dist.all_reduce(sums, group=ctx.group)
        if x.numel():
            by_scale, by_shift = (-scale * rstd * s / ctx.total for s in sums.split(c))
            dx = dx + F.batch_norm(x, mean, var, by_scale, by_shift, False, 0.0, ctx.eps)
        by_scale, by_shift = own.split(c) if weight is not None else (None, None)
        return dx, by_scale, by_shift, None, None, None, None, None, None
