"""docs/api.md from the public names themselves: signatures, docstrings, settings. `python -m lthviz.apidoc > docs/api.md` writes it.

Our own, as pdoc writes HTML alone and griffe's Markdown knows nothing of settings that carry their limits and source (lthviz/knobs.py).
A docstring is plain text: a line `name: …` at its margin is a parameter or a field, `Returns:`, `Errors:` and `Source:` are what they say, and
what stands indented below `Example:` is code, which the tests run.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import lthviz
from lthviz import figures
from lthviz.knobs import limits, plain

GROUPS = {
    "Your own network": ("layers", "magnitude", "masks_of", "apply", "Held", "weights"),
    "Structures": ("refill", "regroup", "scores", "Refill", "Regroup", "Random"),
    "What it is worth": ("stats", "compact", "bench", "Timing"),
    "Values": ("Masks", "Structured", "Blocks", "Layer", "Ticket", "Address"),
    "In and out": ("take_in", "export"),
    "Stored runs": ("Store", "RunConfig", "PRESETS", "events"),
    "On arrays alone": ("prune", "magnitude_scores", "remain_scores", "partition", "from_mask", "to_mask"),
    "Errors": ("LthvizError",),
}
CONSTANTS = {"PRESETS": "The named settings to start a run from, by name: `PRESETS[name].config` is a RunConfig, `.source` says where the settings are from; "
                        "`python -m lthviz run --preset` lists them.\n\nErrors: KeyError for an unknown name.\nSource: ICML 2022, section 4.1 and appendix; a shortened one says so.\n"
                        "Example:\n    config = lt.PRESETS[\"digits\"].config"}
LOOKED_AT = {"Store": ("runs", "run", "round", "ticket", "mask", "weight", "epochs", "timings", "status", "about", "pack", "unpack")}
"""Of a class that does more than a reader of runs needs: what is listed."""
ITEM = re.compile(r"^([A-Za-z_]\w*(?:, [a-z_]\w*)*): (.*)$")
SECTIONS = ("Returns", "Errors", "Source", "Example")


def doc(name: str) -> str:
    """The docstring of a public name, `figures.mask` for one of lt.figures."""
    return CONSTANTS.get(name) or inspect.getdoc(value(name)) or ""


def value(name: str) -> Any:
    part, _, inner = name.rpartition(".")
    return getattr(figures if part else lthviz, inner)


def public() -> list[str]:
    """Every public name, those of lt.figures behind the others."""
    return [n for n in lthviz.__all__ if n != "figures"] + [f"figures.{n}" for n in figures.__all__]


def example(name: str) -> str:
    """The code of a docstring's Example, '' where there is none."""
    found = re.search(r"^Example:\n((?:(?: {4}.*)?(?:\n|$))+)", doc(name), re.M)
    return textwrap.dedent(found[1]).strip() if found else ""


def markdown() -> str:
    """docs/api.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# The Python interface", "", "`import lthviz as lt`. Written from the docstrings by `python -m lthviz.apidoc > docs/api.md`; change a text there. "
                "[notebook.md](notebook.md) is a walk through it, [glossary.md](glossary.md) has the terms.", "",
                "Masks, blocks and weights are keyed by parameter name (`layer1.0.conv1.weight`); where a layer is named, its module's name will do. A weight "
                "`W[C_out, C_in/groups, kh, kw]` is read as a matrix of `C = C_out` rows (output channels) and `n = C_in/groups·kh·kw` columns. Every error is an `LthvizError` "
                "of one line. A name is loaded when it is first used: what works on masks alone never loads torch.")
    groups = GROUPS | {"Figures": tuple(f"figures.{n}" for n in figures.__all__)}
    for title, names in groups.items():
        yield from ("", f"**{title}**: " + ", ".join(f"[`lt.{n}`](#{_anchor(_heading(n))})" for n in names))
    for title, names in groups.items():
        yield from ("", f"## {title}")
        if title == "Figures":
            yield from ("", _flowing(inspect.getdoc(importlib.import_module("lthviz.figures.notebook")) or ""))
        for name in names:
            yield from _entry(name)


def _entry(name: str) -> Iterator[str]:
    what = value(name)
    yield from ("", f"### lt.{_heading(name)}", "")
    if inspect.isclass(what) and issubclass(what, BaseException):
        yield from ("```text", inspect.getdoc(importlib.import_module(what.__module__)) or "", "```", "")
    elif callable(what):
        yield from ("```python", _signature(name, what), "```", "")
    yield from _text(doc(name))
    if dataclasses.is_dataclass(what):
        yield from _settings(what)
    if inspect.isclass(what) and not issubclass(what, BaseException):
        yield from _members(what)


def _signature(name: str, what: Any) -> str:
    if inspect.isclass(what) and (dataclasses.is_dataclass(what) or what.__name__ in ("Masks", "Held")):
        line = f"lt.{name}({', '.join(f'{f.name}={f.default!r}' for f in _knobs(what))})"
        return f"class lt.{name}" if not _knobs(what) else line if len(line) < 300 else f"lt.{name}(**settings)    # those of the table below"
    signature = inspect.signature(what)
    parameters = []
    for p in signature.parameters.values():
        star = "**" if p.kind is p.VAR_KEYWORD else ""
        kind = "" if p.annotation in (p.empty, "Any") else f": {p.annotation}"
        default = repr(p.default) if isinstance(p.default, str | int | float | tuple | None) else "…"    # others are shown with their address
        parameters.append(f"{star}{p.name}{kind}" + ("" if p.default is p.empty else f" = {default}" if kind else f"={default}"))
    at = next((i for i, p in enumerate(signature.parameters.values()) if p.kind is p.KEYWORD_ONLY), None)
    if at is not None:
        parameters.insert(at, "*")
    gives = "" if signature.return_annotation in (signature.empty, None) or inspect.isclass(what) else f" -> {signature.return_annotation}"
    line = f"lt.{name}({', '.join(parameters)}){gives}"
    return line if len(line) <= 110 else f"lt.{name}(\n    " + ",\n    ".join(parameters) + f",\n){gives}"


def _text(text: str) -> Iterator[str]:
    """A docstring as Markdown: prose flows, items are a list, the example is code."""
    lines, block = text.splitlines(), []

    def close() -> Iterator[str]:
        if block:
            yield from (" ".join(block), "") if not block[0].startswith("- ") else (" ".join(block),)
        block.clear()

    inside, code, listed = False, [], False
    for line in lines:
        item = ITEM.match(line)
        if line == "Example:":
            yield from close()
            inside = True
        elif inside:
            code.append(line[4:])
        elif not line.strip():
            yield from close()
            if listed:
                yield ""
            listed = False
        elif line.startswith("    "):     # a drawing, or code inside the text
            yield from close()
            yield line
        elif item and (item[1] in SECTIONS or block[:1] == [] or listed):
            yield from close()
            names = f"**{item[1]}**" if item[1] in SECTIONS else ", ".join(f"`{n}`" for n in item[1].split(", "))
            block.append(f"- {names}: {item[2]}")
            listed = True
        else:
            block.append(line.strip())
    yield from close()
    if code:
        yield from ("", "```python", "\n".join(code).strip("\n"), "```")


def _settings(what: type) -> Iterator[str]:
    if fields := _knobs(what):
        yield from ("", "| setting | default | what it is | range | source |", "|---|---|---|---|---|")
        for f in fields:
            choices = f.metadata["choices"]
            span = ", ".join(f"`{c}`" for c in choices) if choices else limits(f) if isinstance(f.default, int | float) and not isinstance(f.default, bool) else ""
            default = "" if f.default == "" else f"`{plain(f.default)}`" if not isinstance(f.default, tuple) else f"`{', '.join(str(getattr(x, 'label', x)) for x in f.default)}`"
            yield f"| `{f.name}` | {default} | {_cell(f.metadata['help'])} | {_cell(span)} | {_cell(f.metadata['source'])} |"


def _members(what: type) -> Iterator[str]:
    """Methods and properties of its own that say what they are."""
    found = []
    for base in (b for b in reversed(what.__mro__) if b.__module__.startswith("lthviz")):
        for name, member in vars(base).items():
            inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            text = inspect.getdoc(inner) if (inspect.isfunction(inner) or isinstance(inner, property)) else None
            if not name.startswith("_") and text and name in LOOKED_AT.get(what.__name__, (name,)):
                shown = name if isinstance(inner, property) else f"{name}({', '.join(p for p in inspect.signature(inner).parameters if p not in ('self', 'cls'))})"
                found.append(f"| `.{shown}` | {_cell(_flowing(text))} |")
    if found:
        yield from ("", "| | |", "|---|---|", *dict.fromkeys(found))


def _knobs(what: type) -> list[dataclasses.Field]:
    return [f for f in dataclasses.fields(what) if "help" in f.metadata] if dataclasses.is_dataclass(what) else []


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _heading(name: str) -> str:
    """GitHub's anchors know no capitals: the settings of `lt.refill` would have its own."""
    return f"{name} (settings)" if inspect.isclass(value(name)) and _knobs(value(name)) else name


def _anchor(name: str) -> str:
    return re.sub(r"[^\w\- ]", "", f"lt.{name}".lower()).replace(" ", "-")


if __name__ == "__main__":
    print(markdown(), end="")
