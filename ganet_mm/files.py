"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file whole or not at all; missing folders are made.

    The bytes go to a temporary name beside ``path`` first and are renamed, so an interruption
    leaves no half a file under the name itself.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, values) -> None:
    """Writes ``values`` as indented JSON, see :func:`write_bytes`."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8"))


def check_output(path: str | os.PathLike) -> None:
    """Whether a file could be written; asked before long work, and leaves nothing behind.

    Raises:
        OSError: it is a folder, or its folder can't be made or written; names the file.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    folder = Path(path).absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{path} cannot be written: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written: no permission in folder {folder}")


def read_json(path: str | os.PathLike):
    """The values in a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
