"""The micro-kernel for scattered weights: four output rows × NV vectors, with one loop for each subset of the four rows.

A column of a mask without blocks has a weight in some of four rows. Columns are sorted by that subset, so each of the 15 loops
multiplies what is there, and nothing else, with its vectors of activations loaded once for all rows of the subset. A single row
loads four vectors for four multiply-adds; four rows at a density of 0.7 load them for eleven.
"""

from __future__ import annotations

import itertools

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lthviz.speed.registers import (
    FP,
    I1,
    IP,
    NV,
    VL,
    ZERO,
    arrays,
    at,
    const,
    function,
    load,
    multiply_add,
    phi,
    splat,
    store,
)

ROWS = 4
SUBSETS = [s for n in range(ROWS, 0, -1) for s in itertools.combinations(range(ROWS), n)]
"""The subsets of the rows, in the order of their loops: those that reuse a load most come first."""
CODES = [sum(1 << r for r in s) for s in SUBSETS]
"""Each subset as bits, row 0 the lowest."""


def _quad(module: ir.Module) -> ir.Function:
    name = "lthviz_quad"
    if name in module.globals:
        return module.globals[name]
    fn = function(module, name, [FP, IP, IP, IP, FP, FP, I1])
    X, xs, offs, counts, W, S, resume = fn.args
    entry, resumed, begin = (fn.append_basic_block(n) for n in ("entry", "resumed", "begin"))
    b = ir.IRBuilder(entry)
    cells = [(r, v) for r in range(ROWS) for v in range(NV)]
    fma = multiply_add(module)
    base = [at(b, X, b.load(at(b, xs, v))) for v in range(NV)]
    b.cbranch(resume, resumed, begin)
    b.position_at_end(resumed)
    partial = {(r, v): load(b, S, (r * NV + v) * VL) for r, v in cells}
    b.branch(begin)
    b.position_at_end(begin)
    acc = {c: phi(b, (ZERO, entry), (partial[c], resumed)) for c in cells}
    for i, subset in enumerate(SUBSETS):
        count, before = b.load(at(b, counts, i)), b.block
        loop, after = fn.append_basic_block(f"loop{i}"), fn.append_basic_block(f"after{i}")
        b.cbranch(b.icmp_signed(">", count, const(0)), loop, after)
        b.position_at_end(loop)
        left, off, weight = phi(b, (count, before)), phi(b, (offs, before)), phi(b, (W, before))
        mine = [(r, v) for r in subset for v in range(NV)]
        sums = {c: phi(b, (acc[c], before)) for c in mine}
        place = b.load(off)
        x = [load(b, base[v], place) for v in range(NV)]
        w = {r: splat(b, b.load(at(b, weight, j))) for j, r in enumerate(subset)}
        new = {(r, v): b.call(fma, [w[r], x[v], sums[r, v]]) for r, v in mine}
        ahead = b.sub(left, const(1)), at(b, off, 1), at(b, weight, len(subset))
        for here, there in zip((left, off, weight), ahead, strict=True):
            here.add_incoming(there, loop)
        for c in mine:
            sums[c].add_incoming(new[c], loop)
        b.cbranch(b.icmp_signed(">", ahead[0], const(0)), loop, after)
        b.position_at_end(after)
        offs, W = phi(b, (offs, before), (ahead[1], loop)), phi(b, (W, before), (ahead[2], loop))
        acc |= {c: phi(b, (acc[c], before), (new[c], loop)) for c in mine}
    for r, v in cells:
        store(b, acc[r, v], S, (r * NV + v) * VL)
    b.ret_void()
    return fn


@intrinsic
def quad(tyctx, F, T, W, x, xs, offs, counts, w, scratch, resume):
    """Add the sums of some columns, subset by subset, to what the scratch holds (resume), or put them there.

    Indices as in tile.tile. counts: where the number of columns of each of SUBSETS stands in T; offs: their offsets; w: their
    weights in W, for each column those of the subset's rows.
    """
    sig = types.void(*(F, T, W, x, xs, offs, counts, w, scratch, resume))

    def codegen(ctx, b, sig, a):
        F, T, W, x, xs, offs, counts, w, scratch, resume = a
        F, T, W = arrays(ctx, b, sig, a, 0, 1, 2)
        b.call(_quad(b.module), [at(b, F, x), at(b, T, xs), at(b, T, offs), at(b, T, counts), at(b, W, w), at(b, F, scratch),
                                 b.icmp_signed("!=", resume, const(0))])
        return ctx.get_dummy_value()

    return sig, codegen
