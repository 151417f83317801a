"""The micro-kernel with output rows as lanes: for maps of few pixels and images, where these would fill a vector badly.

Weights are the vectors, activations the scalars, each at its pixel's place plus the column's offset. The sums of P pixels × V
vectors of rows are left in the scratch, pixel by pixel.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lthviz.speed.registers import (
    FP,
    I64,
    IP,
    NV,
    VL,
    ZERO,
    arrays,
    at,
    const,
    dispatch,
    function,
    load,
    multiply_add,
    phi,
    splat,
    store,
)

TURNED = {6: (1, 2, 3, 4), 4: (1, 2, 3, 4), 1: (1, 2, 3, 4)} if VL == 16 or NV == 4 else {4: (1, 2), 1: (1, 2)}
"""Vectors of rows that a tile may have, by its pixels: what the registers hold."""


def _turned(module: ir.Module, pixels: int, vectors: int) -> ir.Function:
    name = f"lthviz_turned_{pixels}x{vectors}"
    if name in module.globals:
        return module.globals[name]
    fn = function(module, name, [FP, IP, IP, I64, FP, I64, FP])
    X, xs, offs, K, W, stride, S = fn.args
    entry, loop, finish = (fn.append_basic_block(n) for n in ("entry", "loop", "finish"))
    b = ir.IRBuilder(entry)
    cells = [(p, v) for p in range(pixels) for v in range(vectors)]
    unroll = 2 if len(cells) < 8 else 1
    fma = multiply_add(module)
    base = [at(b, X, b.load(at(b, xs, p))) for p in range(pixels)]
    b.branch(loop)

    b.position_at_end(loop)
    k = phi(b, (const(0), entry))
    acc = [{c: phi(b, (ZERO, entry)) for c in cells} for _ in range(unroll)]
    new = []
    for u in range(unroll):
        ku = b.add(k, const(u)) if u else k
        off, here = b.load(at(b, offs, ku)), at(b, W, b.mul(ku, stride))
        weights = [load(b, here, v * VL) for v in range(vectors)]
        x = [splat(b, b.load(at(b, base[p], off))) for p in range(pixels)]
        new.append({(p, v): b.call(fma, [x[p], weights[v], acc[u][p, v]]) for p, v in cells})
    k1 = b.add(k, const(unroll))
    k.add_incoming(k1, loop)
    for u in range(unroll):
        for c in cells:
            acc[u][c].add_incoming(new[u][c], loop)
    b.cbranch(b.icmp_signed("<", k1, K), loop, finish)

    b.position_at_end(finish)
    for p, v in cells:
        store(b, new[0][p, v] if unroll == 1 else b.fadd(new[0][p, v], new[1][p, v]), S, (p * vectors + v) * VL)
    b.ret_void()
    return fn


@intrinsic
def turned(tyctx, pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch):
    """Run the tile of `pixels` × `vectors` of rows; columns > 0. Indices as in tile.tile; stride: floats from one column's
    weights to the next's."""
    sig = types.void(*(pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch))

    def codegen(ctx, b, sig, a):
        pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch = a
        F, T, W = arrays(ctx, b, sig, a, 2, 3, 4)
        made = {v * 8 + p: _turned(b.module, p, v) for p, widths in TURNED.items() for v in widths}
        dispatch(b, b.add(b.mul(vectors, const(8)), pixels), made,
                 [at(b, F, x), at(b, T, xs), at(b, T, offs), columns, at(b, W, w), stride, at(b, F, scratch)])
        return ctx.get_dummy_value()

    return sig, codegen
