"""The GPU kernel without a GPU: its arithmetic under Triton's interpreter, its compilation for two GPUs, and what is said where
it cannot run."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lthviz.errors import EnvironmentFault, SpeedError
from lthviz.speed import triton_blocks

ROOT = Path(__file__).resolve().parents[2]
TRITON = importlib.util.find_spec("triton") is not None   # its wheels are for Linux
PLACES = ["interpreter"] * TRITON + ["cuda"] * (TRITON and torch.cuda.is_available())


@pytest.mark.parametrize("place", PLACES)
def test_arithmetic(place):
    """In a process of its own: the interpreter takes the place of `triton.jit` for the whole process."""
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | ({"TRITON_INTERPRET": "1"} if place == "interpreter" else {})
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/speed/block_conv_cases.py",
                           "tests/speed/gpu_program_cases.py"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def compiled(capability: int, precision: str, tile: triton_blocks.Tile, *, n_divides: bool = True, wide: bool = False, ones: bool = False) -> dict[str, str]:
    """The kernel's PTX and machine code for a GPU that need not be here."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = triton_blocks.block_conv
    numbers = f"*{'bf16' if precision == 'bfloat16' else 'fp32'}"
    constants = dict(KH=3, KW=3, SH=1, SW=1, PH=1, PW=1, DH=1, DW=1, PIXELS=tile.pixels, HEIGHT=tile.height, CHUNK=tile.chunk,
                     PRECISION="tf32" if precision == "tf32" else "ieee", RELU=True, RESIDUAL=True, WIDE=wide)
    kinds = {"x": numbers, "weights": numbers, "residual": numbers, "out": numbers, "bias": "*fp32", **dict.fromkeys(constants, "constexpr")}
    kinds |= dict.fromkeys(("columns", "rows", "sources", "tiles"), "*i32")
    if ones:   # Triton makes constants of numbers that are 1: one image of one pixel
        constants |= dict.fromkeys(("N", "H", "W", "OW", "P", "TILES"), 1)
        kinds |= dict.fromkeys(constants, "constexpr")
    signature = {name: kinds.get(name, "i32") for name in kernel.arg_names}
    sixteen = [n for n, kind in signature.items() if kind.startswith("*") or (n in ("N", "P") and kind == "i32" and n_divides)]   # as a launch finds them
    source = ASTSource(kernel, signature, {(kernel.arg_names.index(k),): v for k, v in constants.items()},
                       {(kernel.arg_names.index(n),): [["tt.divisibility", 16]] for n in sixteen})
    options = dict(num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm


@pytest.mark.parametrize("capability", [80, 90] * TRITON)
@pytest.mark.parametrize("precision", list(triton_blocks.PRECISIONS))
def test_compiles_for_gpus(tmp_path, monkeypatch, precision, capability):
    """To machine code, with the products that were asked for: no tf32 in float32, matrix instructions in the others."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    product = {"float32": r"fma\.rn\.f32", "tf32": r"mma\S*tf32", "bfloat16": r"mma\S*bf16"}[precision]
    for tile, vector in ((triton_blocks.Tile(64, 16, 16), False), (triton_blocks.Tile(512, 1, 1), True)):
        made = compiled(capability, precision, tile)
        assert made["cubin"] and f"sm_{capability}" in made["ptx"]
        assert re.search(r"fma\.rn\.f32" if vector else product, made["ptx"])
        assert precision != "float32" or not re.search(r"mma\S*(tf32|bf16)", made["ptx"])
        # Runs of sixteen images come as whole vectors: what the layout is for. (A tf32 product of Hopper's wants them transposed.)
        wide = r"ld\.global\.v[24]" if vector else r"cp\.async\S* \[[^\]]+\], \[[^\]]+\], 0x10"
        assert re.search(wide, made["ptx"]) or (precision, capability) == ("tf32", 90)


@pytest.mark.parametrize("settings", [dict(n_divides=False), dict(wide=True), dict(ones=True)] * TRITON, ids=str)
def test_compiles_for_any_batch_and_size(tmp_path, monkeypatch, settings):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for tile in (triton_blocks.Tile(32, 8, 16), triton_blocks.Tile(128, 2, 1)):
        assert compiled(90, "bfloat16", tile, **settings)["cubin"]


def test_no_gpu_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpeedError, match="torch sees no GPU here; use device = 'cpu'"):
        triton_blocks.check_device("cuda")


def test_a_gpu_without_triton_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(triton_blocks, "triton", None)
    with pytest.raises(EnvironmentFault, match="Triton is not installed"):
        triton_blocks.check_device("cuda")
    with pytest.raises(SpeedError, match="'cuda' alone"):
        triton_blocks.check_device("cpu")


def test_imports_without_triton():
    code = ("import sys\nsys.modules['triton'] = None\nfrom lthviz.speed import gpu_program, triton_blocks\n"
            "assert triton_blocks.triton is None and callable(triton_blocks.block_conv)")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


def test_the_benchmark_says_in_one_line_that_it_needs_a_gpu(monkeypatch, capsys):
    from benchmarks import gpu

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "needs a GPU" in told.err and not told.out
