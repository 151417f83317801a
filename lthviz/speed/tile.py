"""The micro-kernel: a tile of R output rows × V vectors kept in registers while a block's columns go by, emitted as LLVM IR.

For every column k of a block a tile loads V vectors of activations, broadcasts R weights and does R·V fused multiply-adds;
bias, residual and ReLU happen at the store. A vector is `VL` floats and lies anywhere: the caller gives V offsets, and each
column adds one more, so that layout, stride and kernel size are nothing but tables. Through Numba and llvmlite the same code is
AVX-512, AVX2 or NEON, and no system compiler is needed.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lthviz.speed.registers import (
    BP,
    FP,
    I1,
    I32,
    I64,
    IP,
    NV,
    VEC,
    VECTORS,
    VL,
    ZERO,
    arrays,
    at,
    const,
    declare,
    dispatch,
    function,
    load,
    multiply_add,
    phi,
    splat,
    store,
)

MR = 6
"""Rows of the tallest tile: 6 × 4 accumulators, 4 vectors and a broadcast fit 32 registers (6 × 2 fit 16)."""
AHEAD = 8
"""Columns by which activations are asked for before they are needed: they lie anywhere, so the CPU cannot foresee them."""

LEAVE, RELU, RESUME = 1, 2, 4
"""Bits of a tile's flags: leave the sum unfinished in the scratch; ReLU at the store; start from the scratch."""

# X, offsets of V vectors, column offsets, K, weights, scratch, Y, offsets in Y, row offsets, bias, Z, offsets in Z, its row
# offsets, flags, lanes.
_ARGS = [FP, IP, IP, I64, FP, FP, FP, IP, IP, FP, FP, IP, IP, I64, IP]


def _tile(module: ir.Module, rows: int, vectors: int) -> ir.Function:
    name = f"lthviz_tile_{rows}x{vectors}"
    if name in module.globals:
        return module.globals[name]
    fn = function(module, name, _ARGS)
    X, xs, offs, K, W, S, Y, ys, ro, bias, Z, zs, zo, flags, lanes = fn.args
    entry = fn.append_basic_block("entry")
    b = ir.IRBuilder(entry)

    def has(bit):
        return b.icmp_signed("!=", b.and_(flags, const(bit)), const(0))

    fma = multiply_add(module)
    prefetch = declare(module, "llvm.prefetch.p0", ir.VoidType(), [BP, I32, I32, I32])
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    # Few accumulators cannot hide an addition's latency: then two columns are summed side by side.
    unroll = 2 if rows * vectors < 8 else 1
    base = [at(b, X, b.load(at(b, xs, v))) for v in range(vectors)]

    # Start: zero, or what an earlier chunk of columns left.
    resumed, begin, loop = (fn.append_basic_block(n) for n in ("resumed", "begin", "loop"))
    b.cbranch(has(RESUME), resumed, begin)
    b.position_at_end(resumed)
    partial = {(r, v): load(b, S, (r * vectors + v) * VL) for r, v in cells}
    b.branch(begin)
    b.position_at_end(begin)
    start = {c: phi(b, (ZERO, entry), (partial[c], resumed)) for c in cells}
    finish = fn.append_basic_block("finish")
    b.cbranch(b.icmp_signed(">", K, const(0)), loop, finish)

    # The columns.
    b.position_at_end(loop)
    k = phi(b, (const(0), begin))
    acc = [{c: phi(b, (start[c] if u == 0 else ZERO, begin)) for c in cells} for u in range(unroll)]
    new = []
    for u in range(unroll):
        ku = b.add(k, const(u)) if u else k
        off = b.load(at(b, offs, ku))
        x = [load(b, base[v], off) for v in range(vectors)]
        if vectors == NV and rows > 2:   # a short tile has no load to spare
            ahead = b.load(at(b, offs, b.add(ku, const(AHEAD))))
            for v in range(vectors):
                b.call(prefetch, [b.bitcast(at(b, base[v], ahead), BP), ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
        w = b.mul(ku, const(rows))
        weight = [splat(b, b.load(at(b, W, b.add(w, const(r))))) for r in range(rows)]
        new.append({(r, v): b.call(fma, [weight[r], x[v], acc[u][r, v]]) for r, v in cells})
    k1 = b.add(k, const(unroll))
    k.add_incoming(k1, loop)
    for u in range(unroll):
        for c in cells:
            acc[u][c].add_incoming(new[u][c], loop)
    merge = fn.append_basic_block("merge")
    b.cbranch(b.icmp_signed("<", k1, K), loop, merge)
    b.position_at_end(merge)
    total = {c: new[0][c] if unroll == 1 else b.fadd(new[0][c], new[1][c]) for c in cells}
    b.branch(finish)

    # The end: into the scratch, or bias, residual, ReLU and the rows' places.
    b.position_at_end(finish)
    out = {c: phi(b, (start[c], begin), (total[c], merge)) for c in cells}
    leave, last = fn.append_basic_block("leave"), fn.append_basic_block("last")
    b.cbranch(has(LEAVE), leave, last)
    b.position_at_end(leave)
    for r, v in cells:
        store(b, out[r, v], S, (r * vectors + v) * VL)
    b.ret_void()

    b.position_at_end(last)
    relu = has(RELU)
    partly = b.icmp_unsigned("!=", b.ptrtoint(lanes, I64), const(0))
    place = [b.load(at(b, ys, v)) for v in range(vectors)]
    zplace = [b.load(at(b, zs, v)) for v in range(vectors)]
    larger = declare(module, f"llvm.maxnum.v{VL}f32", VEC, [VEC] * 2)
    masked = declare(module, f"llvm.masked.store.v{VL}f32.p0", ir.VoidType(), [VEC, VEC.as_pointer(), I32, ir.VectorType(I1, VL)])
    for r in range(rows):
        row, constant, zrow = (b.load(at(b, p, r)) for p in (ro, bias, zo))
        values = [b.fadd(out[r, v], splat(b, constant)) for v in range(vectors)]
        before, add, after = b.block, fn.append_basic_block(f"add{r}"), fn.append_basic_block(f"after{r}")
        b.cbranch(b.icmp_signed(">=", zrow, const(0)), add, after)
        b.position_at_end(add)
        summed = [b.fadd(values[v], load(b, Z, b.add(zplace[v], zrow))) for v in range(vectors)]
        b.branch(after)
        b.position_at_end(after)
        merged = [phi(b, (values[v], before), (summed[v], add)) for v in range(vectors)]
        merged = [b.select(relu, b.call(larger, [m, ZERO]), m) for m in merged]
        some, whole, done = (fn.append_basic_block(f"{n}{r}") for n in ("some", "whole", "done"))
        b.cbranch(partly, some, whole)
        b.position_at_end(whole)
        for v in range(vectors):
            store(b, merged[v], Y, b.add(place[v], row))
        b.branch(done)
        b.position_at_end(some)
        for v in range(vectors):
            bits = b.trunc(b.load(at(b, lanes, v)), ir.IntType(VL))
            pointer = b.bitcast(at(b, Y, b.add(place[v], row)), VEC.as_pointer())
            b.call(masked, [merged[v], pointer, ir.Constant(I32, 4), b.bitcast(bits, ir.VectorType(I1, VL))])
        b.branch(done)
        b.position_at_end(done)
    b.ret_void()
    return fn


@intrinsic
def tile(tyctx, rows, vectors, F, T, W, x, xs, offs, columns, w, scratch, y, ys, ro, bias, z, zs, zo, flags, lanes):
    """Run the tile of `rows` × `vectors`.

    F: float32 arena; T: int64 tables; W: float32 weights and biases. x, y, z, scratch: where input, output, residual and
    scratch begin in F. xs, ys, zs: where the vectors' offsets stand in T; offs: the columns'; ro, zo: the rows' in output and
    residual (-1: none). w, bias: in W. lanes: where bit masks of the lanes to store stand in T, -1 to store all.
    """
    sig = types.void(*(rows, vectors, F, T, W, x, xs, offs, columns, w, scratch, y, ys, ro, bias, z, zs, zo, flags, lanes))

    def codegen(ctx, b, sig, a):
        rows, vectors, F, T, W, x, xs, offs, columns, w, scratch, y, ys, ro, bias, z, zs, zo, flags, lanes = a
        F, T, W = arrays(ctx, b, sig, a, 2, 3, 4)
        lanes = b.select(b.icmp_signed(">=", lanes, const(0)), at(b, T, lanes), ir.Constant(IP, None))
        args = [at(b, F, x), at(b, T, xs), at(b, T, offs), columns, at(b, W, w), at(b, F, scratch), at(b, F, y), at(b, T, ys), at(b, T, ro),
                at(b, W, bias), at(b, F, z), at(b, T, zs), at(b, T, zo), flags, lanes]
        made = {v * 8 + n: _tile(b.module, n, v) for v in VECTORS for n in range(1, MR + 1)}
        dispatch(b, b.add(b.mul(vectors, const(8)), rows), made, args)
        return ctx.get_dummy_value()

    return sig, codegen
