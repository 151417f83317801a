"""What a report holds, read with the standard library's own parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Table:
    file: str
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    exact: list[list[str]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """Its cells with every digit."""
        return [row[self.head.index(name)] for row in self.exact]


class Page(HTMLParser):
    """tables: by their file name. links: what src and href say. scripts: the text of each script element. text: all that is not in one. counts: of tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tables: dict[str, Table] = {}
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.text, self.counts, self.styles = "", {}, []
        self.ids: dict[str, str] = {}
        self._in, self._table, self._cell = "", None, None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [attrs[k] for k in ("src", "href", "srcset", "action", "data") if attrs.get(k)]
        self.handlers += [k for k in attrs if k.startswith("on")]
        if tag in ("script", "style"):
            self._in = tag
            (self.scripts if tag == "script" else self.styles).append("")
            if attrs.get("id"):
                self.ids[attrs["id"]] = len(self.scripts) - 1
        if tag == "table":
            self._table = self.tables[attrs.get("data-file", "")] = Table(attrs.get("data-file", ""))
        if tag == "tr" and self._table and self._table.head:
            self._table.rows.append([])
            self._table.exact.append([])
        if tag in ("td", "th") and self._table:
            self._cell = ["", attrs.get("data-v"), tag]

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._in = ""
        if tag == "table":
            self._table = None
        if tag in ("td", "th") and self._cell:
            words, exact, kind = self._cell
            if kind == "th":
                self._table.head.append(words)
            else:
                self._table.rows[-1].append(words)
                self._table.exact[-1].append(exact if exact is not None else words)
            self._cell = None

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in == "style":
            self.styles[-1] += data
        else:
            self.text += data
            if self._cell:
                self._cell[0] += data

    def script(self, id: str) -> str:
        return self.scripts[self.ids[id]]
