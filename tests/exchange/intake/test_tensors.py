"""Every kind of file, and everything that is none: what is read is what was written, what is not is said."""

import argparse
import collections
import gzip
import json
import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from lthviz.errors import ExchangeError
from lthviz.exchange.intake import tensors

VALUES = {"one.weight": torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1)), "one.bias": torch.arange(4.0), "counter": torch.tensor(7)}


def write(path, values=VALUES):
    match path.suffix:
        case ".safetensors":
            safetensors.torch.save_file(values, path)
        case ".npz":
            np.savez_compressed(path, **{k: v.numpy() for k, v in values.items()})
        case ".h5":
            with h5py.File(path, "w") as f:
                for k, v in values.items():
                    f[k.replace(".", "/")] = v.numpy()
        case _:
            torch.save(values, path)
    return path


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "a.pt", "a.pth", "a.pth.tar", "a.bin", "a"])
def test_what_was_written_is_read(tmp_path, name):
    found = tensors.read(write(tmp_path / name))
    assert {n: t.shape for n, t in found.tensors.items()} == {n: tuple(v.shape) for n, v in VALUES.items()}
    for key, value in VALUES.items():
        assert np.array_equal(found.tensors[key].read(), value.numpy())
        assert found.tensors[key].dtype == str(value.dtype).removeprefix("torch.")


def test_hdf5_groups_are_parts_of_names(tmp_path):
    found = tensors.read(write(tmp_path / "a.h5"))
    assert np.array_equal(found.tensors["one/weight"].read(), VALUES["one.weight"].numpy())


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_read_as_torch_reads_them(tmp_path, name, dtype):
    value = VALUES["one.weight"].to(dtype)
    read = tensors.read(write(tmp_path / name, {"w": value})).tensors["w"]
    assert read.dtype == str(dtype).removeprefix("torch.")
    assert np.array_equal(read.read().astype(np.float64), value.double().numpy())


def test_a_checkpoint_is_searched_for_the_networks_state(tmp_path):
    torch.save({"epoch": 3, "best": np.float64(91.5), "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}, "param_groups": []}, "scheduler": {"milestones": collections.Counter([1])},
                "state_dict": VALUES, "init_weight": {k: v + 1 for k, v in VALUES.items()}}, tmp_path / "c.pt")
    found = tensors.read(tmp_path / "c.pt")
    assert set(found.tensors) == set(VALUES) and "state_dict" in found.said[0]
    assert np.array_equal(found.more["init_weight"]["one.bias"].read(), VALUES["one.bias"].numpy() + 1)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/lthviz-was-here",)


def test_nothing_is_run(tmp_path):
    for i, value in enumerate((Evil(), {"a": torch.zeros(2), "b": Evil()})):
        torch.save(value, tmp_path / f"{i}.pt")
        with pytest.raises(ExchangeError, match="run their code"):
            tensors.read(tmp_path / f"{i}.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ExchangeError):
        tensors.read(tmp_path / "raw.pt")
    np.savez(tmp_path / "o.npz", a=np.array([Evil()], object))
    with pytest.raises(ExchangeError, match="pickled object"):
        tensors.read(tmp_path / "o.npz")
    assert not os.path.exists("/tmp/lthviz-was-here")


def test_a_whole_network_is_refused_with_what_to_save_instead(tmp_path):
    torch.save(nn.Conv2d(1, 1, 1), tmp_path / "m.pt")
    with pytest.raises(ExchangeError, match=r"torch\.nn\.modules\.conv\.Conv2d.*model\.state_dict\(\)"):
        tensors.read(tmp_path / "m.pt")


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.pt", b"", "is empty"), ("a.pt", b"lr = 0.1\n", "text that begins with 'lr = 0.1'"), ("a.pt", gzip.compress(b"x", mtime=0), "gzip archive: unpack it first"),
    ("a.npz", b"\x93NUMPY\x01\x00", "one numpy array without a name"), ("a.bin", bytes(range(1, 65)), "01 02 03"), ("a.pt", b"PK\x03\x04", "cut short or damaged"),
    ("a.safetensors", (1 << 20).to_bytes(8, "little") + b'{"' + bytes(1 << 21), "cannot be read as one"), ("a.safetensors", (1 << 62).to_bytes(8, "little") + b"{}" + bytes(80), "no file of weights"),
    ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "cannot be read as one"), ("a.pt", b"\x80\x02" + bytes(60), "cannot be read as one"),
], ids=["empty", "text", "gzip", "npy", "bytes", "zip", "safetensors cut", "no safetensors", "hdf5", "pickle"])
def test_what_is_no_such_file_is_told_for_what_it_is(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ExchangeError, match="(?s)" + said) as e:
        tensors.read(tmp_path / name)
    assert "\n" not in str(e.value) and name in str(e.value)


@pytest.mark.parametrize(("kind", "name"), [(".safetensors", "a.pt"), (".pt", "a.safetensors"), (".npz", "a.pt"), (".h5", "a.npz")])
def test_a_file_that_is_not_what_its_name_says(tmp_path, kind, name):
    write(tmp_path / f"a{kind}").rename(tmp_path / name)
    with pytest.raises(ExchangeError, match=f"is called .{name.split('.')[1]} and holds a .* file; .*ends in {kind}"):
        tensors.read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "a.pt", "a.h5"])
def test_no_part_of_a_file_passes_for_the_whole(tmp_path, name):
    whole = write(tmp_path / name).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / name).write_bytes(whole[:int(share * len(whole))])
        with pytest.raises(ExchangeError):
            found = tensors.read(tmp_path / name)
            for tensor in found.tensors.values():
                tensor.read()


def test_hdf5_leads_nowhere_else(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as f:
        f["w"] = np.zeros(3)
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["w"] = h5py.ExternalLink("other.h5", "/w")
    with pytest.raises(ExchangeError, match="points to another place"):
        tensors.read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f.create_dataset("w", (3,), "f4", external=[(str(tmp_path / "other.h5"), 0, 12)])
    with pytest.raises(ExchangeError, match="w has its data in other files or places"):
        tensors.read(tmp_path / "b.h5")


def test_other_programs_files_say_what_to_save(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 4, 4),)), tmp_path / "a.pt2")
    with pytest.raises(ExchangeError, match=r"torch\.export; save the network's state_dict"):
        tensors.read(tmp_path / "a.pt2")
    with pytest.raises(ExchangeError, match=r"holds a list; .*state dict"):
        tensors.read(write(tmp_path / "l.pt", [torch.zeros(1)]))
    with pytest.raises(ExchangeError, match="no state dict, but a dictionary of 'epoch', 'loss'"):
        tensors.read(write(tmp_path / "d.pt", {"epoch": 1, "loss": 0.5}))


def test_of_three_gigabytes_only_what_is_asked_for_is_read(tmp_path):
    """A sparse file, so it takes no disk; the process never has a gigabyte."""
    size, path = 3 << 30, tmp_path / "large.safetensors"
    header = json.dumps({"rest": {"dtype": "F32", "shape": [(size - 16) // 4], "data_offsets": [16, size]}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    with open(path, "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header + np.arange(4, dtype="<f4").tobytes())
        f.truncate(8 + len(header) + size)
    code = ("import re\nfrom pathlib import Path\nfrom lthviz.exchange.intake import tensors\n"
            f"found = tensors.read(Path({str(path)!r}))\nassert found.tensors['w'].read().tolist() == [0, 1, 2, 3]\n"
            "print(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) * 1024 < 1 << 30, "kibibytes at most in memory"


def test_more_than_is_looked_at_is_refused_by_its_header_alone(tmp_path):
    path, size = tmp_path / "huge.safetensors", 12 << 30
    header = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with open(path, "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + size)
    with pytest.raises(ExchangeError, match=r"12\.0 GiB; at most 8 GiB"):
        tensors.read(path)
