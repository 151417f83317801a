"""What threads need to share tasks: a counter that all may raise, a look at it, and a way to give way."""

from __future__ import annotations

import os

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from lthviz.speed.registers import I32, arrays, at, const, declare


@intrinsic
def fetch_add(tyctx, sync, row, column, value):
    """sync[row, column] += value, at once for all threads; the value before. sync: int64 (steps, 8), a cache line a step."""
    sig = types.int64(sync, row, column, value)

    def codegen(ctx, b, sig, a):
        return b.atomic_rmw("add", _cell(ctx, b, sig, a), a[3], "acq_rel")

    return sig, codegen


@intrinsic
def peek(tyctx, sync, row, column):
    """sync[row, column] as another thread last wrote it; the CPU is told that we wait."""
    sig = types.int64(sync, row, column)

    def codegen(ctx, b, sig, a):
        if binding.get_process_triple().startswith(("x86_64", "i686")):
            b.call(declare(b.module, "llvm.x86.sse2.pause", ir.VoidType(), []), [])
        return b.load_atomic(_cell(ctx, b, sig, a), "acquire", 8)

    return sig, codegen


@intrinsic
def give_way(tyctx):
    """Let another thread have this core, where the system has a call for it."""
    sig = types.void()

    def codegen(ctx, b, sig, a):
        if os.name == "posix":
            b.call(declare(b.module, "sched_yield", I32, []), [])
        return ctx.get_dummy_value()

    return sig, codegen


def _cell(ctx, b, sig, a):
    data, = arrays(ctx, b, sig, a, 0)
    return at(b, data, b.add(b.mul(a[1], const(8)), a[2]))
