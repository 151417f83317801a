"""Memory that HDF5 writes a file into, and that never fails under it.

Where memory is refused in the middle of a write, HDF5's library cannot close its file any more and the process crashes. Here such a write is
taken for done, as is every later one, what was held is given up (HDF5 needs memory to close), and when the file is closed MemoryError is raised. (io.BytesIO will not do: it loses all that it holds when it cannot grow.)
"""

from __future__ import annotations

import io
from typing import Any


class Buffer(io.RawIOBase):
    """A file in memory; `whole()` is what was written to it."""

    def __init__(self) -> None:
        self._data, self._at, self._lacking = bytearray(), 0, False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:   # whatever h5py hands over
        part = memoryview(self._data)[self._at:self._at + len(buffer)]
        buffer[:len(part)] = part
        self._at += len(part)
        return len(part)

    def write(self, data: Any) -> int:
        size = len(data)
        try:
            if not self._lacking and self._at > len(self._data):
                self._data.extend(bytes(self._at - len(self._data)))
            if not self._lacking:
                self._data[self._at:self._at + size] = data
        except MemoryError:
            self._give_up()
        self._at += size
        return size

    def truncate(self, size: int | None = None) -> int:
        size = self._at if size is None else size
        try:
            del self._data[size:]
            if not self._lacking:
                self._data.extend(bytes(size - len(self._data)))
        except MemoryError:
            self._give_up()
        return size

    def _give_up(self) -> None:
        self._lacking, self._data = True, bytearray()

    def whole(self) -> memoryview:
        """All of it; MemoryError where some could not be held."""
        if self._lacking:
            raise MemoryError("cannot allocate memory for a file of the store")
        return memoryview(self._data)
