"""rpm's database as Amazon Linux 2 and RHEL 8 have it: Berkeley DB files, made of the sqlite one that Debian's rpm writes.

Through libdb's imitation of ndbm(3), which makes the same hash files. Only what a query by name reads: `Packages` has each header
by its number, the highest number under 0; `Name` the numbers of each name's headers.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import struct
from pathlib import Path

LIBRARY = "libdb-5.3.so"
REPLACE = 1


class _Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


def convert(database: Path, folder: Path) -> None:
    """`database` is rpmdb.sqlite; `folder` gets the files."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    headers = {number: bytes(blob) for number, blob in connection.execute("SELECT hnum, blob FROM Packages")}
    names = connection.execute("SELECT key, hnum, idx FROM Name").fetchall()
    connection.close()
    packages = {struct.pack("=I", number): blob for number, blob in headers.items()}
    packages[struct.pack("=I", 0)] = struct.pack("=I", max(headers))
    _write(folder / "Packages", packages)
    _write(folder / "Name", {bytes(name, "utf-8"): struct.pack("=II", number, place) for name, number, place in names})


def _write(path: Path, entries: dict[bytes, bytes]) -> None:
    library = ctypes.CDLL(LIBRARY)
    library.__db_ndbm_open.restype = ctypes.c_void_p
    library.__db_ndbm_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.__db_ndbm_store.argtypes = [ctypes.c_void_p, _Datum, _Datum, ctypes.c_int]
    library.__db_ndbm_close.argtypes = [ctypes.c_void_p]
    handle = library.__db_ndbm_open(os.fsencode(path), os.O_RDWR | os.O_CREAT, 0o644)
    if not handle:
        raise OSError(f"{LIBRARY} makes no {path}")
    for key, value in entries.items():
        library.__db_ndbm_store(handle, _Datum(key, len(key)), _Datum(value, len(value)), REPLACE)
    library.__db_ndbm_close(handle)
    path.with_suffix(".db").rename(path)
