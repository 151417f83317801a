"""The registers of this machine's CPU, and the pieces of LLVM IR that every micro-kernel is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import binding, ir


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
VECTORS = (NV, 1)

I1, I32, I64, F32 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType()
VEC = ir.VectorType(F32, VL)
FP, IP, BP = F32.as_pointer(), I64.as_pointer(), ir.IntType(8).as_pointer()
ZERO = ir.Constant(VEC, [0.0] * VL)


def const(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


def at(b: ir.IRBuilder, base: ir.Value, index: ir.Value | int) -> ir.Value:
    """base + index."""
    return b.gep(base, [const(index) if isinstance(index, int) else index])


def load(b: ir.IRBuilder, base: ir.Value, index: ir.Value | int) -> ir.Value:
    """The vector that begins at base[index], wherever that is."""
    v = b.load(b.bitcast(at(b, base, index), VEC.as_pointer()))
    v.align = 4
    return v


def store(b: ir.IRBuilder, value: ir.Value, base: ir.Value, index: ir.Value | int) -> None:
    b.store(value, b.bitcast(at(b, base, index), VEC.as_pointer())).align = 4


def splat(b: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    """The scalar in every lane."""
    undefined = ir.Constant(VEC, ir.Undefined)
    return b.shuffle_vector(b.insert_element(undefined, scalar, ir.Constant(I32, 0)), undefined,
                            ir.Constant(ir.VectorType(I32, VL), [0] * VL))


def phi(b: ir.IRBuilder, *incoming: tuple[ir.Value, ir.Block]) -> ir.PhiInstr:
    """The value of whichever block we come from."""
    made = b.phi(incoming[0][0].type)
    for value, block in incoming:
        made.add_incoming(value, block)
    return made


def declare(module: ir.Module, name: str, result: ir.Type, args: Sequence[ir.Type]) -> ir.Function:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, args), name)


def multiply_add(module: ir.Module) -> ir.Function:
    return declare(module, f"llvm.fma.v{VL}f32", VEC, [VEC] * 3)


def function(module: ir.Module, name: str, args: Sequence[ir.Type]) -> ir.Function:
    """A function of the module's own. Not inlined: each is a loop that wants all registers to itself."""
    fn = ir.Function(module, ir.FunctionType(ir.VoidType(), args), name)
    fn.linkage = "internal"
    fn.attributes.add("noinline")
    return fn


def arrays(ctx, b: ir.IRBuilder, sig, args: Sequence[ir.Value], *which: int) -> list[ir.Value]:
    """Where the data of those numpy arguments lie."""
    return [ctx.make_array(sig.args[i])(ctx, b, args[i]).data for i in which]


def dispatch(b: ir.IRBuilder, key: ir.Value, cases: Mapping[int, ir.Function], args: Sequence[ir.Value]) -> None:
    """Call the function of that key; nothing for another one."""
    end = b.append_basic_block("dispatched")
    choice = b.switch(key, end)
    for n, fn in cases.items():
        case = b.append_basic_block(fn.name)
        choice.add_case(const(n), case)
        with b.goto_block(case):
            b.call(fn, args)
            b.branch(end)
    b.position_at_end(end)
