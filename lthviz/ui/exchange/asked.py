"""What a reader gives and says of a network that is to come in, and the command that does the same."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from lthviz.choices import DATASETS, MODELS, OWN_IMAGES
from lthviz.errors import ExchangeError
from lthviz.exchange import apart
from lthviz.ui import access, frame
from lthviz.ui.cache import store

MOST = 500
"""Megabytes that an uploaded file may have: it passes through the server's memory."""
SUFFIXES = ("pt", "pth", "tar", "bin", "ckpt", "safetensors", "npz", "h5", "hdf5")
OTHERS = {"masks": ("Masks", "In a file of their own: by the weights' names, or as NAME_mask"),
          "dense": ("Dense network's weights", "As they were trained before pruning: they become round 0"),
          "rewind": ("Weights to rewind to", "From which every ticket is trained again; without them training goes on from the weights that came")}
FIELDS = {"model": "Network", "data": "Images", "image": "Size of the images", "data-dir": "Folder of the images", "masks": "Masks", "dense": "Dense network's weights",
          "rewind-to": "Weights to rewind to"}
"""What the command's options are called on the page."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Asked:
    """uploads: by role (file, masks, dense, rewind), what came through the browser. path: of a file or folder on this machine instead of an uploaded file.
    model, data, data_dir, image: as the command's options; '' is found out."""

    uploads: dict[str, Any]
    path: str = ""
    model: str = ""
    data: str = ""
    data_dir: str = ""
    image: str = ""

    @property
    def signature(self) -> tuple:
        """Changes with anything that is given or said."""
        return (*sorted((role, f.file_id) for role, f in self.uploads.items()), self.path, self.model, self.data, self.data_dir, self.image)

    @property
    def refusal(self) -> str:
        """Why nothing can be looked into yet; '' where it can."""
        if "file" in self.uploads and self.path:
            return "Both a file and a path are given; take one of them away."
        if large := next((f for f in self.uploads.values() if f.size > MOST * 1_000_000), None):
            return f"{base(large.name)} has {large.size / 1e6:,.0f} MB; {MOST} MB are taken here at most. From a terminal: python -m lthviz import FILE"
        return ""

    @property
    def name(self) -> str:
        """What the reader calls it."""
        return base(self.uploads["file"].name) if "file" in self.uploads else base(self.path.rstrip("/\\"))

    def put(self) -> tuple[Path, dict[str, str], dict[str, Path]]:
        """The uploads as files of a fresh folder: (folder, their own names by where they are, paths by role). What they are called is no part of a path.
        ExchangeError where the disk does not take them."""
        folder = apart.fresh_folder()
        names, paths = {}, {}
        try:
            for role, upload in self.uploads.items():
                suffix = Path(base(upload.name)).suffix.lower()
                file = folder / f"{role}{suffix if suffix.removeprefix('.') in SUFFIXES else ''}"
                file.write_bytes(upload.getbuffer())
                names[str(file)], paths[role] = base(upload.name), file
        except OSError as e:
            apart.remove(folder)
            raise ExchangeError(f"what was uploaded could not be put on the disk: {e.strerror or e}") from None
        if self.path:
            paths["file"] = Path(os.path.abspath(os.path.expanduser(self.path)))
        return folder, names, paths

    def words(self, paths: dict[str, Path]) -> list[str]:
        """Of `lthviz import`, with the files at these paths."""
        return ["import", str(paths["file"]), f"--source={self.name}", f"--runs={store().root}", *(f"--{o}={v}" for o, v in self._options({r: str(p) for r, p in paths.items()}))]

    def command(self) -> str:
        """The same from a terminal, with the files' own names."""
        file = self.path or (self.name if "file" in self.uploads else "FILE")
        named = {role: _no_option(base(f.name)) for role, f in self.uploads.items()}
        return shlex.join(["python", "-m", "lthviz", "import", _no_option(file), *(w for o, v in self._options(named) for w in (f"--{o}", v))])

    def _options(self, paths: dict[str, str]) -> Iterator[tuple[str, str]]:
        for option, value in (("model", self.model), ("data", self.data), ("data-dir", self.data_dir), ("image", self.image), ("masks", paths.get("masks")),
                              ("dense", paths.get("dense")), ("rewind-to", paths.get("rewind"))):
            if value:
                yield option, value


def base(name: str) -> str:
    """A file's name without its folders, whatever system it comes from, on one line."""
    return " ".join(name.replace("\\", "/").rpartition("/")[2].split())[:120] or "file"


def _no_option(file: str) -> str:
    return f"./{file}" if file.startswith("-") else file


def by_field(line: str) -> str:
    """A line of the command's, with its options called as the fields of this page."""
    line = re.sub(r"--data ((?:[\w-]+\|)+[\w-]+)", lambda m: f"“Images” ({m[1].replace('|', ', ')})", line)
    return re.sub(r"--(rewind-to|data-dir|model|data|image|masks|dense)\b", lambda m: f"“{FIELDS[m[1]]}”", line)


def form(number: int) -> Asked:
    """Draw the fields. number: another one empties them."""
    local = access.local()
    uploads: dict[str, Any] = {}
    left, right = st.columns([7, 5], gap="large")
    with left:
        uploads["file"] = st.file_uploader("Checkpoint, weights or packed run", type=SUFFIXES, key=f"in-file-{number}", max_upload_size=MOST,
                                           help=f"A state dict or a checkpoint that holds one, of {MOST} MB at most; or what `lthviz pack` made. Nothing is unpickled but tensors")
        path = ""
        if local:
            path = st.text_input("Or a path on this machine", key=f"in-path-{number}", placeholder="~/runs/lottery_0a1b2c/replicate_1",
                                 help="For large files, and for folders of rounds as OpenLTH (level_0, level_1, …) and the paper's released code (0checkpoint.pth.tar, …) leave them").strip()
    with right:
        model = st.selectbox("Network", ["", *MODELS], key=f"in-model-{number}", format_func=lambda m: m or "find out by its shapes", accept_new_options=True,
                             help="One of ours, or type torchvision:NAME or timm:NAME") or ""
        data = st.selectbox("Images", ["", *DATASETS], key=f"in-data-{number}", format_func=lambda d: d or "find out by its channels and classes",
                            help="Those it was trained on. Where they are on this machine, its accuracy is measured on them") or ""
        image = data_dir = ""
        if data in OWN_IMAGES:
            image = st.text_input("Size of the images", key=f"in-image-{number}", placeholder="3x224x224", help="Channels, height and width").strip()
        if data and data != "digits" and local:
            data_dir = st.text_input("Folder of the images", key=f"in-folder-{number}", placeholder="where they usually are", help="On this machine").strip()
    with st.expander("More files: masks, the dense network, weights to rewind to", icon=":material/attach_file:", type="compact", key="in-more"):
        for column, (role, (label, help)) in zip(st.columns(3, gap="medium"), OTHERS.items(), strict=True):
            uploads[role] = column.file_uploader(label, type=SUFFIXES, key=f"in-{role}-{number}", max_upload_size=MOST, help=help)
    return Asked({role: f for role, f in uploads.items() if f is not None}, path, model.strip(), data, data_dir, image)


def refuse(asked: Asked) -> None:
    """Why it cannot be looked into, where that is not plain."""
    if asked.refusal:
        frame.refused(asked.refusal)
