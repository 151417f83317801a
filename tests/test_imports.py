"""The direction of imports, read from the source."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEVELS = [  # a module may import its own level and those before it
    {"errors", "seeds", "words", "processes", "choices", "glossary"}, {"knobs"}, {"methods"}, {"config"}, {"records", "presets"}, {"core"}, {"nn"}, {"engine", "speed"}, {"store", "exchange"},
    {"measuring", "expected", "branching"}, {"ending", "dead", "ways_out"}, {"sinks"}, {"driving"}, {"launch", "tuning"}, {"sweep"}, {"figures"}, {"commands", "maskview"}, {"report"}, {"exporting"}, {"ui", "notebook"}, {"cli", "__main__", "__init__", "apidoc"},
]
LEVEL = {name: i for i, names in enumerate(LEVELS) for name in names}
FORBIDDEN = {  # packages a part never imports, at module level or inside a function
    "core": {"torch", "torchvision", "streamlit", "h5py", "plotly"}, "figures": {"torch", "torchvision", "streamlit", "h5py"},
    "nn": {"streamlit", "h5py", "plotly"}, "engine": {"streamlit", "h5py", "plotly"}, "speed": {"streamlit", "h5py", "plotly"}, "config": {"torch", "streamlit", "h5py"}, "knobs": {"numpy", "torch"}, "methods": {"numpy", "torch"},
    "sinks": {"torch", "torchvision", "streamlit", "h5py", "plotly"}, "records": {"torch", "streamlit", "h5py"}, "launch": {"streamlit", "h5py", "torch"}, "driving": {"streamlit", "h5py", "torch"}, "branching": {"streamlit", "h5py", "torch"}, "ending": {"streamlit", "h5py", "torch"}, "dead": {"streamlit", "h5py", "torch"}, "ways_out": {"streamlit", "h5py", "torch"}, "measuring": {"streamlit", "h5py", "torch"}, "sweep": {"streamlit", "h5py", "torch", "plotly"}, "ui": {"torch", "torchvision", "h5py", "ray"},
    "notebook": {"torchvision", "streamlit", "h5py"}, "apidoc": {"torch", "streamlit", "h5py"},
    "tuning": {"torch", "torchvision", "streamlit", "h5py", "plotly"}, "store": {"torch", "streamlit", "plotly"}, "exchange": {"torchvision", "streamlit", "plotly"}, "exporting": {"torch", "streamlit", "h5py", "plotly"}, "expected": {"torchvision", "streamlit", "h5py", "plotly"},
    "processes": {"numpy", "torch", "streamlit", "h5py", "plotly"}, "glossary": {"numpy", "torch", "streamlit", "h5py", "plotly"}, "choices": {"numpy", "torch", "streamlit", "h5py", "plotly"}, "cli": {"streamlit", "torch", "ray"},
    "commands": {"torch", "streamlit", "h5py", "plotly"}, "maskview": {"torch", "streamlit", "h5py", "plotly"}, "report": {"torch", "torchvision", "streamlit", "h5py"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


@pytest.mark.parametrize("path", sorted(ROOT.glob("lthviz/**/*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    part = path.relative_to(ROOT / "lthviz").parts[0].removesuffix(".py")
    assert part in LEVEL, f"say in LEVELS where {part} stands"
    for name in imports(path):
        top, *rest = name.split(".")
        assert top not in FORBIDDEN.get(part, ()), f"{part} imports {name}"
        if top == "lthviz" and rest and rest[0] in LEVEL:
            assert LEVEL[rest[0]] <= LEVEL[part], f"{part} imports {name}, which stands above it"


def test_no_files_import_each_other_in_a_circle():
    """Not inside a function either, where an import would hide it."""
    def name(path: Path) -> str:
        return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    files = {name(path): path for path in ROOT.glob("lthviz/**/*.py")}
    graph = {here: {there for there in imports(path) if there in files and there != here and not here.startswith(f"{there}.")} for here, path in files.items()}
    list(graphlib.TopologicalSorter(graph).static_order())      # CycleError names the circle


def test_looking_at_a_run_needs_no_torch():
    code = ("import sys, lthviz.store, lthviz.launch, lthviz.figures.accuracy, lthviz.ui.frame, lthviz.ui.maskview, lthviz.ui.runs\n"
            "heavy = {'torch', 'sklearn', 'torchvision', 'ray'} & set(sys.modules)\nassert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_public_names_are_there_and_import_is_light():
    import lthviz

    for name in lthviz.__all__:
        assert getattr(lthviz, name) is not None
    code = "import sys, lthviz\nassert not {'numpy', 'torch', 'h5py'} & set(sys.modules)\nlthviz.Masks, lthviz.regroup, lthviz.Store"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
