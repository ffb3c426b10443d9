"""Records which files code opens for reading, by Python's audit hook: data that a plugin reads is a part of it.

Files that compiled libraries open by themselves are not seen, except databases of `sqlite3` and libraries of `ctypes`.
Of files that other processes and machines read for the code only the fact is recorded.
"""

import os
import sys
import threading
from collections.abc import Iterable
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

_IMPORTS = ("<frozen importlib", "<frozen zipimport")
_SYSTEM = ("/proc/", "/sys/", "/dev/")
"""Folders whose files are not data."""
_BY_PATH = {"sqlite3.connect", "ctypes.dlopen"}
"""Events other than ``open`` that name a file which is read."""
_OTHERS = {
    **dict.fromkeys(("os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"), "another process"),
    **dict.fromkeys(("os.system", "subprocess.Popen"), "another program"),
    "socket.connect": "the network",
}
"""Events after which another process or machine may read files for the code."""
_ANY = ""
"""Stands for all files of code, for threads that run a library's function: which code started them is unknown."""
_read: dict[str, set[str]] = {}
"""For each file of code, the files that were opened for reading while its code was running."""
_made: dict[str, set[str]] = {}
"""Likewise, the files that the code created, whose contents it knew before."""
_through: dict[str, set[str]] = {}
"""Likewise, the processes and machines that may have read files for it."""
_watching: list[bool] = []


def watch() -> None:
    """Start recording opened files; the hook stays until the process ends."""
    if not _watching:
        _watching.append(True)
        sys.addaudithook(_note)


def forget() -> None:
    """Forget all files recorded so far."""
    _read.clear()
    _made.clear()
    _through.clear()


def read_by(code: Iterable[str]) -> set[str]:
    """Return the absolute paths of the files that were read while code of the given files was running.

    A file that a library reads while it is imported is left out; one that it reads when it is called is its caller's. A
    compiled file (``.pyc``) counts as its source. Files that `longlag` reads are left out.
    """
    places = [_ANY, *map(_real, code)]
    read, made = (set[str]().union(*(noted.get(place, ()) for place in places)) for noted in (_read, _made))
    opened = read - made
    return {path for path in map(_source, opened) if not path.startswith(_SYSTEM) and Path(path).is_file()}


def read_through(code: Iterable[str]) -> set[str]:
    """Return the processes and machines that may have read files for the code of the given files, in words."""
    return set[str]().union(*(_through.get(place, ()) for place in [_ANY, *map(_real, code)]))


_real = cache(os.path.realpath)


def _source(path: str) -> str:
    try:
        return source_from_cache(path) if path.endswith(".pyc") else path
    except ValueError:
        return path


def _note(event: str, given: tuple[Any, ...]) -> None:
    if event != "open" and event not in _BY_PATH and event not in _OTHERS:
        return
    if not (code := _running()):
        return
    if event in _OTHERS:
        for file in code:
            _through.setdefault(file, set()).add(_OTHERS[event])
    elif isinstance(given[0], str | bytes | os.PathLike):
        path, flags = os.path.realpath(os.fsdecode(given[0])), given[2] if event == "open" else os.O_RDONLY
        makes = flags & (os.O_TRUNC | os.O_EXCL)
        if makes or flags & (os.O_WRONLY | os.O_RDWR) != os.O_WRONLY:
            for file in code:
                (_made if makes else _read).setdefault(file, set()).add(path)


def _running() -> list[str]:
    """Return the files of the running code, from the call that opens a file out to an import or to `longlag`."""
    files: list[str] = []
    frame = sys._getframe(2)
    while frame is not None:
        file, name = frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "longlag" or (files and file.startswith(_IMPORTS)):
            return files
        if not file.startswith("<"):
            files.append(_real(file))
        frame = frame.f_back  # type: ignore[assignment]
    return files if threading.get_ident() == threading.main_thread().ident else [*files, _ANY]
