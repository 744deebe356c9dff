from __future__ import annotations

import os

from mmengine.fileio import LocalBackend, register_backend

from ganet_mm.files import write_bytes


class WholeFileBackend(LocalBackend):
    """mmengine's local files, written whole or not at all.

    mmengine writes a checkpoint straight under its name, so a process killed in that moment leaves
    a cut file that ``--resume`` then takes for the latest. This class takes the place of mmengine's
    local backend (its public ``register_backend``, with ``force``), and so covers every checkpoint:
    the hook's, the best one, and that of mmrazor's calibration loop, which takes no backend.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        write_bytes(filepath, obj)

    def put_text(self, obj: str, filepath: str | os.PathLike, encoding: str = "utf-8") -> None:
        write_bytes(filepath, obj.encode(encoding))


register_backend("local", WholeFileBackend, force=True, prefixes="")
