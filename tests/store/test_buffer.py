"""Memory that is refused while a file is made: an error like any other, and a process that lives on."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from lthviz.store import hdf5

ROOT = Path(__file__).resolve().parents[2]
LIMITED = """
import resource, sys
import numpy as np
from lthviz.store import hdf5

def fill(f):
    for i in range(40):
        hdf5.put(f, f"part{i}", data, gzip=False)

data = np.random.default_rng(0).random(1_000_000)   # 8 MB
hdf5.image("round", {}, lambda f: hdf5.put(f, "part", data, gzip=False))
used = next(int(x.split()[1]) * 1024 for x in open("/proc/self/status") if x.startswith("VmData"))
for room in (30, 60, 90, 120):
    resource.setrlimit(resource.RLIMIT_DATA, (used + room * 1_000_000, -1))
    try:
        hdf5.image("round", {}, fill)
        print("made")
    except MemoryError:
        print("refused")
resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))
print(len(hdf5.image("round", {}, fill)) > 40 * 8_000_000)
"""


def test_a_file_for_which_there_is_no_memory_is_an_error_and_the_process_lives_on():
    done = subprocess.run([sys.executable, "-c", LIMITED], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["refused"] * 4 + ["True"]


def test_what_is_written_there_is_what_h5py_writes_into_any_memory():
    data = np.arange(100_000)
    made = hdf5.image("round", {"run": "x"}, lambda f: hdf5.put(f, "a", data))
    import io

    import h5py
    with h5py.File(io.BytesIO(bytes(made))) as f:
        assert (f["a"][()] == data).all() and f.attrs["run"] == b"x"
