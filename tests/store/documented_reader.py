"""A reader of stored runs written from data/README.md alone: nothing of lthviz is imported here."""

import json
import zlib
from pathlib import Path

import h5py
import numpy


def checked(data):
    body, tail = data[:-20], data[-20:]
    fits = tail == b',"crc32":"%08x"}' % zlib.crc32(body)
    value = json.loads(data)
    if not fits and (value.get("format", 1) > 1 or "crc32" in value):
        raise ValueError("it is damaged")
    if value.get("format", 1) > 2:
        raise ValueError("it is of a newer format")
    return value


def config(run):
    return checked((Path(run) / "config.json").read_bytes())


def layers(run):
    return checked((Path(run) / "layers.json").read_bytes())


def about(run):
    file = Path(run) / "about.json"
    return checked(file.read_bytes()) if file.exists() else {}


def events(run):
    data = (Path(run) / "events.jsonl").read_bytes()
    return [checked(line) for line in data[:data.rfind(b"\n") + 1].split(b"\n")[:-1]]


def state(run):
    states = ("queued", "running", "paused", "finished", "cancelled", "failed", "interrupted")
    return [e["state"] for e in events(run) if e["event"] == "state" and e["state"] in states][-1]


def curve(run, round, structure):
    """The epochs of a ticket by the log: the later line counts, and drops the earlier ones of that ticket from this epoch on."""
    found = []
    for e in events(run):
        if e["event"] == "epoch" and (e["round"], e["structure"]) == (round, structure):
            found = [x for x in found if x["epoch"] < e["epoch"]] + [e]
    return found


def timings(run):
    return [checked(file.read_bytes())["timing"] for file in sorted((Path(run) / "timings").glob("*.json"))]


def rounds(run):
    return sorted(int(file.stem) for file in (Path(run) / "rounds").glob("*.h5"))


def values(dataset):
    found = numpy.asarray(dataset[()])
    if "crc32" in dataset.attrs and dataset.attrs["crc32"] != zlib.crc32(found.tobytes()):
        raise ValueError("it is damaged")
    return found


def text(dataset):
    return json.loads(values(dataset).tobytes())


def name(key):
    return key.replace("%2F", "/").replace("%25", "%")


def round(run, number):
    with h5py.File(Path(run) / "rounds" / f"{number:03d}.h5") as f:
        assert f.attrs["format"] == 1 and f.attrs["kind"] == b"round"
        return whole(f["round"])


def whole(group):
    """A /round, with every ticket's masks, weights, blocks, notes and curve."""
    rows = text(group["rows"])
    return {"index": int(group.attrs["index"]), "stages_done": int(group.attrs["stages_done"]), "complete": bool(group.attrs["complete"]), "seconds": float(group.attrs["seconds"]), "rows": rows,
            "tickets": {name(k): ticket(group["tickets"][k], next((r for r in rows if r["structure"] == name(k)), None)) for k in group["tickets"]}}


def ticket(group, row):
    masks = {}
    for k, bits in group["masks"].items():
        shape = bits.attrs["shape"]
        masks[name(k)] = numpy.unpackbits(values(bits), count=shape.prod()).reshape(shape).astype(bool)
    made = {"round": int(group.attrs["round"]), "masks": masks, "notes": text(group["notes"]), "blocks": {}, "weights": None, "curve": None,
            **{k: float(group.attrs[k]) if k in group.attrs else None for k in ("test_acc", "val_acc", "train_seconds")}}
    plain = name(group.name.rpartition("/")[2]).partition("-")[0] in ("unstructured", "omp", "snip", "grasp", "synflow", "nm", "random", "reinit")
    older = not plain or (row is not None and row["effective_density"] < row["density"])
    made["structural"] = bool(group.attrs["structural"]) if "structural" in group.attrs else older
    if "blocks" in group:
        of = text(group["blocks/layers"])
        rows, cols = values(group["blocks/rows"]), values(group["blocks/cols"])
        made["blocks"] = {layer: [] for layer in of}
        r = c = 0
        for number, height, width in values(group["blocks/sizes"]).astype(int):
            made["blocks"][list(of)[number]].append((rows[r:r + height].tolist(), cols[c:c + width].tolist()))
            r, c = r + height, c + width
    if "curve" in group:
        fields = [x.decode() for x in group["curve"].attrs["fields"]]
        made["curve"] = dict(zip(fields, values(group["curve"]), strict=True))
    if "weights" in group:
        made["weights"] = {}
        for k, kept in group["weights"].items():
            weight = values(kept)
            if kept.attrs.get("kept_only"):
                mask = masks[name(k)]
                weight = numpy.zeros(mask.shape, "f4")
                weight[mask] = values(kept)
            made["weights"][name(k)] = weight
    return made
