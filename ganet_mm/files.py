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


def read_json(path: str | os.PathLike):
    """The values in a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
