"""Which drawings a figure takes: shapes and text, and nothing that could run or fetch. drawing.js checks the same again."""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree

SPACE = "http://www.w3.org/2000/svg"
SHAPES = frozenset(("svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc", "defs", "linearGradient", "stop", "pattern",
                    "clipPath", "marker", "mask"))
_OUTSIDE = re.compile(r"url\((?!\s*[\"']?#)|javascript:", re.IGNORECASE)


@lru_cache(maxsize=4096)
def checked(drawing: str) -> str:
    """The drawing with its namespace; ValueError where it is no SVG, has no viewBox or holds more than shapes and text."""
    try:
        root = ElementTree.fromstring(drawing)
    except ElementTree.ParseError as e:
        raise ValueError(f"a drawing is no SVG: {e}") from None
    if _local(root.tag) != "svg" or not root.get("viewBox"):
        raise ValueError("a drawing should be one <svg viewBox=…>")
    for element in root.iter():
        if _local(element.tag) not in SHAPES:
            raise ValueError(f"a drawing holds <{_local(element.tag)}>; it may hold shapes and text")
        for name, value in element.attrib.items():
            if _local(name).lower().startswith("on") or _local(name) == "href" or _OUTSIDE.search(value):
                raise ValueError(f"a drawing has {_local(name)}={value!r}; it may neither run nor fetch anything")
    return drawing if root.tag.startswith("{") else drawing.replace("<svg", f'<svg xmlns="{SPACE}"', 1)


def _local(name: str) -> str:
    return name.rpartition("}")[2]
