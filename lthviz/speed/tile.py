"""The micro-kernel: a tile of R output rows × V vectors kept in registers while a block's columns go by, emitted as LLVM IR.

For every column k of a block a tile loads V vectors of activations, broadcasts R weights and does R·V fused multiply-adds;
bias, residual and ReLU happen at the store. A vector is `VL` floats and lies anywhere: the caller gives V offsets, and each
column adds one more, so that layout, stride and kernel size are nothing but tables. Through Numba and llvmlite the same code is
AVX-512, AVX2 or NEON, and no system compiler is needed.
"""

from __future__ import annotations

import os

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic


def _host() -> tuple[int, int]:
    """(floats a vector, vectors a tile) for the registers of this machine's CPU."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:   # llvmlite cannot tell on some systems; 128 bits are everywhere
        return 4, 4
    if features.get("avx512f"):
        return 16, 4
    return (8, 2) if features.get("avx2") and features.get("fma") else (4, 4)


VL, NV = _host()
MR = 6
"""Rows of the tallest tile: 6 × 4 accumulators, 4 vectors and a broadcast fit 32 registers (6 × 2 fit 16)."""
VECTORS = (NV, 1)

I1, I32, I64, F32 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType()
VEC = ir.VectorType(F32, VL)
FP, IP, BP = F32.as_pointer(), I64.as_pointer(), ir.IntType(8).as_pointer()
AHEAD = 8
"""Columns by which activations are asked for before they are needed: they lie anywhere, so the CPU cannot foresee them."""

LEAVE, RELU = 1, 2
"""Bits of a tile's flags: leave the sum unfinished in the scratch; ReLU at the store. 4: start from the scratch."""
RESUME = 4

# X, offsets of V vectors, column offsets, K, weights, scratch, Y, offsets in Y, row offsets, bias, Z, offsets in Z, its row
# offsets, flags, lanes.
_ARGS = [FP, IP, IP, I64, FP, FP, FP, IP, IP, FP, FP, IP, IP, I64, IP]


def _const(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


def _function(module: ir.Module, rows: int, vectors: int) -> ir.Function:
    """`tile_RxV` of the module, made when it is first asked for."""
    name = f"lthviz_tile_{rows}x{vectors}"
    if name in module.globals:
        return module.globals[name]
    fn = ir.Function(module, ir.FunctionType(ir.VoidType(), _ARGS), name)
    fn.linkage = "internal"
    fn.attributes.add("noinline")
    X, xs, offs, K, W, S, Y, ys, ro, bias, Z, zs, zo, flags, lanes = fn.args
    entry = fn.append_basic_block("entry")
    b = ir.IRBuilder(entry)

    def at(base, index):
        return b.gep(base, [index])

    def load(base, index):
        v = b.load(b.bitcast(at(base, index), VEC.as_pointer()))
        v.align = 4
        return v

    def store(value, base, index):
        b.store(value, b.bitcast(at(base, index), VEC.as_pointer())).align = 4

    def has(bit):
        return b.icmp_signed("!=", b.and_(flags, _const(bit)), _const(0))

    fma = _declare(module, f"llvm.fma.v{VL}f32", VEC, [VEC] * 3)
    prefetch = _declare(module, "llvm.prefetch.p0", ir.VoidType(), [BP, I32, I32, I32])
    zero = ir.Constant(VEC, [0.0] * VL)
    cells = [(r, v) for r in range(rows) for v in range(vectors)]
    # Few accumulators cannot hide an addition's latency: then two columns are summed side by side.
    unroll = 2 if rows * vectors < 8 else 1
    base = [at(X, b.load(at(xs, _const(v)))) for v in range(vectors)]

    # Start: zero, or what an earlier chunk of columns left.
    resumed, begin, loop = (fn.append_basic_block(n) for n in ("resumed", "begin", "loop"))
    b.cbranch(has(RESUME), resumed, begin)
    b.position_at_end(resumed)
    partial = {c: load(S, _const((c[0] * vectors + c[1]) * VL)) for c in cells}
    b.branch(begin)
    b.position_at_end(begin)
    start = {}
    for c in cells:
        phi = b.phi(VEC)
        phi.add_incoming(zero, entry)
        phi.add_incoming(partial[c], resumed)
        start[c] = phi
    finish = fn.append_basic_block("finish")
    b.cbranch(b.icmp_signed(">", K, _const(0)), loop, finish)

    # The columns.
    b.position_at_end(loop)
    k = b.phi(I64)
    k.add_incoming(_const(0), begin)
    acc = [{c: b.phi(VEC) for c in cells} for _ in range(unroll)]
    for u in range(unroll):
        for c in cells:
            acc[u][c].add_incoming(start[c] if u == 0 else zero, begin)
    new = []
    for u in range(unroll):
        ku = b.add(k, _const(u)) if u else k
        off = b.load(at(offs, ku))
        x = [load(base[v], off) for v in range(vectors)]
        if vectors == NV and rows > 2:   # a short tile has no load to spare
            ahead = b.load(at(offs, b.add(ku, _const(AHEAD))))
            for v in range(vectors):
                b.call(prefetch, [b.bitcast(at(base[v], ahead), BP), ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
        w = b.mul(ku, _const(rows))
        weight = [_splat(b, b.load(at(W, b.add(w, _const(r))))) for r in range(rows)]
        new.append({(r, v): b.call(fma, [weight[r], x[v], acc[u][r, v]]) for r, v in cells})
    k1 = b.add(k, _const(unroll))
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
    out = {}
    for c in cells:
        phi = b.phi(VEC)
        phi.add_incoming(start[c], begin)
        phi.add_incoming(total[c], merge)
        out[c] = phi
    leave, last = fn.append_basic_block("leave"), fn.append_basic_block("last")
    b.cbranch(has(LEAVE), leave, last)
    b.position_at_end(leave)
    for c in cells:
        store(out[c], S, _const((c[0] * vectors + c[1]) * VL))
    b.ret_void()

    b.position_at_end(last)
    relu = has(RELU)
    partly = b.icmp_unsigned("!=", b.ptrtoint(lanes, I64), _const(0))
    place = [b.load(at(ys, _const(v))) for v in range(vectors)]
    zplace = [b.load(at(zs, _const(v))) for v in range(vectors)]
    larger = _declare(module, f"llvm.maxnum.v{VL}f32", VEC, [VEC] * 2)
    masked = _declare(module, f"llvm.masked.store.v{VL}f32.p0", ir.VoidType(),
                      [VEC, VEC.as_pointer(), I32, ir.VectorType(I1, VL)])
    for r in range(rows):
        row, constant, zrow = (b.load(at(p, _const(r))) for p in (ro, bias, zo))
        values = [b.fadd(out[r, v], _splat(b, constant)) for v in range(vectors)]
        before, add, after = b.block, fn.append_basic_block(f"add{r}"), fn.append_basic_block(f"after{r}")
        b.cbranch(b.icmp_signed(">=", zrow, _const(0)), add, after)
        b.position_at_end(add)
        summed = [b.fadd(values[v], load(Z, b.add(zplace[v], zrow))) for v in range(vectors)]
        b.branch(after)
        b.position_at_end(after)
        merged = []
        for v in range(vectors):
            phi = b.phi(VEC)
            phi.add_incoming(values[v], before)
            phi.add_incoming(summed[v], add)
            merged.append(phi)
        merged = [b.select(relu, b.call(larger, [m, zero]), m) for m in merged]
        some, whole, done = (fn.append_basic_block(f"{n}{r}") for n in ("some", "whole", "done"))
        b.cbranch(partly, some, whole)
        b.position_at_end(whole)
        for v in range(vectors):
            store(merged[v], Y, b.add(place[v], row))
        b.branch(done)
        b.position_at_end(some)
        for v in range(vectors):
            bits = b.trunc(b.load(at(lanes, _const(v))), ir.IntType(VL))
            pointer = b.bitcast(at(Y, b.add(place[v], row)), VEC.as_pointer())
            b.call(masked, [merged[v], pointer, ir.Constant(I32, 4), b.bitcast(bits, ir.VectorType(I1, VL))])
        b.branch(done)
        b.position_at_end(done)
    b.ret_void()
    return fn


def _turned(module: ir.Module, pixels: int, vectors: int) -> ir.Function:
    """`turned_PxV` of the module: sums of P pixels × V vectors of output rows, left in the scratch pixel by pixel.

    For maps of few pixels and one image, where pixels would fill a vector badly: weights are the vectors, activations the
    scalars, each at its pixel's place plus the column's offset.
    """
    name = f"lthviz_turned_{pixels}x{vectors}"
    if name in module.globals:
        return module.globals[name]
    fn = ir.Function(module, ir.FunctionType(ir.VoidType(), [FP, IP, IP, I64, FP, I64, FP]), name)
    fn.linkage = "internal"
    fn.attributes.add("noinline")
    X, xs, offs, K, W, stride, S = fn.args
    entry, loop, finish = (fn.append_basic_block(n) for n in ("entry", "loop", "finish"))
    b = ir.IRBuilder(entry)
    cells = [(p, v) for p in range(pixels) for v in range(vectors)]
    unroll = 2 if len(cells) < 8 else 1
    fma, zero = _declare(module, f"llvm.fma.v{VL}f32", VEC, [VEC] * 3), ir.Constant(VEC, [0.0] * VL)
    base = [b.gep(X, [b.load(b.gep(xs, [_const(p)]))]) for p in range(pixels)]
    b.branch(loop)

    b.position_at_end(loop)
    k = b.phi(I64)
    k.add_incoming(_const(0), entry)
    acc = [{c: b.phi(VEC) for c in cells} for _ in range(unroll)]
    new = []
    for u in range(unroll):
        ku = b.add(k, _const(u)) if u else k
        off, at = b.load(b.gep(offs, [ku])), b.gep(W, [b.mul(ku, stride)])
        weights = []
        for v in range(vectors):
            weights.append(b.load(b.bitcast(b.gep(at, [_const(v * VL)]), VEC.as_pointer())))
            weights[-1].align = 4
        x = [_splat(b, b.load(b.gep(base[p], [off]))) for p in range(pixels)]
        new.append({(p, v): b.call(fma, [x[p], weights[v], acc[u][p, v]]) for p, v in cells})
    k1 = b.add(k, _const(unroll))
    k.add_incoming(k1, loop)
    for u in range(unroll):
        for c in cells:
            acc[u][c].add_incoming(zero, entry)
            acc[u][c].add_incoming(new[u][c], loop)
    b.cbranch(b.icmp_signed("<", k1, K), loop, finish)

    b.position_at_end(finish)
    for p, v in cells:
        total = new[0][p, v] if unroll == 1 else b.fadd(new[0][p, v], new[1][p, v])
        b.store(total, b.bitcast(b.gep(S, [_const((p * vectors + v) * VL)]), VEC.as_pointer())).align = 4
    b.ret_void()
    return fn


def _splat(b: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    """The scalar in every lane."""
    undefined = ir.Constant(VEC, ir.Undefined)
    return b.shuffle_vector(b.insert_element(undefined, scalar, ir.Constant(I32, 0)), undefined,
                            ir.Constant(ir.VectorType(I32, VL), [0] * VL))


def _declare(module: ir.Module, name: str, result: ir.Type, args: list[ir.Type]) -> ir.Function:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, args), name)


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
        F, T, W = (ctx.make_array(sig.args[i])(ctx, b, a[i]).data for i in (2, 3, 4))

        def at(base, index):
            return b.gep(base, [index])

        lanes = b.select(b.icmp_signed(">=", lanes, _const(0)), at(T, lanes), ir.Constant(IP, None))
        args = [at(F, x), at(T, xs), at(T, offs), columns, at(W, w), at(F, scratch), at(F, y), at(T, ys), at(T, ro), at(W, bias),
                at(F, z), at(T, zs), at(T, zo), flags, lanes]
        end, other = b.append_basic_block("tiled"), b.append_basic_block("unknown")
        choice = b.switch(b.add(b.mul(vectors, _const(MR + 1)), rows), other)
        for v in VECTORS:
            for n in range(1, MR + 1):
                case = b.append_basic_block(f"tile{n}x{v}")
                choice.add_case(_const(v * (MR + 1) + n), case)
                with b.goto_block(case):
                    b.call(_function(b.module, n, v), args)
                    b.branch(end)
        b.position_at_end(other)
        b.branch(end)
        b.position_at_end(end)
        return ctx.get_dummy_value()

    return sig, codegen


TURNED = {6: (1, 2, 3, 4), 4: (1, 2, 3, 4), 1: (1, 2, 3, 4)} if VL == 16 or NV == 4 else {4: (1, 2), 1: (1, 2)}
"""Vectors of rows that a turned tile may have, by its pixels: what the registers hold."""


@intrinsic
def turned(tyctx, pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch):
    """Run the turned tile of `pixels` × `vectors` of rows; columns > 0. Indices as in `tile`; stride: floats from one column's
    weights to the next's."""
    sig = types.void(*(pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch))

    def codegen(ctx, b, sig, a):
        pixels, vectors, F, T, W, x, xs, offs, columns, w, stride, scratch = a
        F, T, W = (ctx.make_array(sig.args[i])(ctx, b, a[i]).data for i in (2, 3, 4))
        args = [b.gep(F, [x]), b.gep(T, [xs]), b.gep(T, [offs]), columns, b.gep(W, [w]), stride, b.gep(F, [scratch])]
        end, other = b.append_basic_block("turned"), b.append_basic_block("unknown")
        choice = b.switch(b.add(b.mul(vectors, _const(MR + 1)), pixels), other)
        for p, widths in TURNED.items():
            for v in widths:
                case = b.append_basic_block(f"turned{p}x{v}")
                choice.add_case(_const(v * (MR + 1) + p), case)
                with b.goto_block(case):
                    b.call(_turned(b.module, p, v), args)
                    b.branch(end)
        b.position_at_end(other)
        b.branch(end)
        b.position_at_end(end)
        return ctx.get_dummy_value()

    return sig, codegen


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
            pause = b.module.globals.get("llvm.x86.sse2.pause") or ir.Function(
                b.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause")
            b.call(pause, [])
        return b.load_atomic(_cell(ctx, b, sig, a), "acquire", 8)

    return sig, codegen


@intrinsic
def give_way(tyctx):
    """Let another thread have this core, where the system has a call for it."""
    sig = types.void()

    def codegen(ctx, b, sig, a):
        if os.name == "posix":
            b.call(b.module.globals.get("sched_yield") or ir.Function(b.module, ir.FunctionType(I32, []), "sched_yield"), [])
        return ctx.get_dummy_value()

    return sig, codegen


def _cell(ctx, b, sig, a):
    data = ctx.make_array(sig.args[0])(ctx, b, a[0]).data
    return b.gep(data, [b.add(b.mul(a[1], _const(8)), a[2])])
