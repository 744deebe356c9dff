from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmengine.dataset import BaseDataset

from ganet_mm.registry import DATASETS

from .culane import CATEGORIES, lines_name, read_categories, read_lines, read_list
from .lmdb_store import PACK_COMMAND, LmdbReader, is_lmdb


class _FolderReader:
    """Frames of a raw CULane folder by position, with ``LmdbReader``'s calls."""

    def __init__(self, data_root: str, list_file: str) -> None:
        self.root = Path(data_root)
        # A bytes array, not a list of str: a list's reference counts would make every forked
        # worker copy its pages.
        self.names = np.array([name.encode() for name in read_list(self.root / list_file)])
        self.categories = read_categories(self.root)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> dict:
        name = self.names[index].decode()
        path = self.root / name
        try:
            img_bytes = path.read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path}: the list names this picture, but it is not there"
            ) from None
        return {
            "img_bytes": img_bytes,
            "img_path": name,
            "category": self.categories.get(name),
            "gt_lanes_ori": read_lines(self.root / lines_name(name)),
        }


@DATASETS.register_module()
class CuLaneDataset(BaseDataset):
    """Frames and lanes of CULane, or of any data in its layout, of any picture size.

    Frames are read when asked for; only positions are held in memory. Frames without lanes are
    kept. Each item given to the pipeline has

    - img_bytes (bytes): the picture's file.
    - img_path (str): the picture's name in its list.
    - gt_lanes_ori (list[np.ndarray]): lanes (N, 2) float32, pixels of the original picture.
    - category (str or None): the test category, e.g. ``night``.
    - sample_idx (int): position in this dataset.

    Args:
        data_root: An LMDB of ``pack_culane.py``, several of them (shards, or sets to be joined),
            or a raw folder in CULane's layout.
        ann_file: For a raw folder its list file, relative to ``data_root``
            (``list/train.txt``); else empty.
        pipeline: Transforms, as configs or callables.
        indices: The first so many frames, or these positions only. Default: all.
        **kwargs: What else ``mmengine.dataset.BaseDataset`` takes (``test_mode``, ``lazy_init``,
            ``max_refetch``, ``metainfo``).

    Raises:
        FileNotFoundError: Nothing lies at ``data_root`` (says which command makes it), or the
            list file is missing.
        ValueError: The LMDB is unfinished or of an unknown schema version; ``ann_file`` fits not.
    """

    METAINFO: ClassVar[dict] = {
        "dataset_type": "CULane",
        "classes": ("lane",),
        "categories": CATEGORIES,
    }

    def __init__(
        self,
        data_root: str | os.PathLike | Sequence[str | os.PathLike],
        ann_file: str = "",
        pipeline: Sequence = (),
        indices: int | Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        single = isinstance(data_root, (str, os.PathLike))
        self.roots = [os.fspath(root) for root in ([data_root] if single else data_root)]
        self._readers: list = []
        super().__init__(
            ann_file=ann_file,
            data_root=self.roots[0] if single else ", ".join(self.roots),
            indices=indices,
            # Nothing but positions is held: there is nothing to serialize.
            serialize_data=False,
            pipeline=list(pipeline),
            **kwargs,
        )

    def _join_prefix(self) -> None:
        """Nothing to join: the readers join names and roots themselves."""

    def load_data_list(self) -> range:
        """Opens the data; positions of all frames."""
        if not self.roots:
            raise ValueError("data_root: no path given; expected an LMDB, several, or a folder")
        self._readers = [self._open(root) for root in self.roots]
        self._ends = np.cumsum([len(reader) for reader in self._readers])
        return range(int(self._ends[-1]))

    def _open(self, root: str):
        if is_lmdb(root) or (not self.ann_file and not Path(root, "list").is_dir()):
            if self.ann_file:
                raise ValueError(
                    f"{root} is an LMDB, which holds one list's frames; ann_file="
                    f"{self.ann_file!r} is for raw folders: remove it"
                )
            return LmdbReader(root)
        if not Path(root).is_dir():
            raise FileNotFoundError(
                f"{root}: no such folder; unpack CULane there, draw one by: python "
                f"tools/dataset_converters/make_synlane.py --out {root}"
            )
        if not self.ann_file:
            raise ValueError(
                f"{root} is a raw folder; give its list, e.g. ann_file='list/train.txt', or pack "
                "it: " + PACK_COMMAND.format(path=f"{root}/train_lmdb")
            )
        return _FolderReader(root, self.ann_file)

    def get_data_info(self, idx: int) -> dict:
        """The raw frame at position ``idx`` of this dataset, read now."""
        if not self._fully_initialized:
            self.full_init()
        idx = idx if idx >= 0 else len(self) + idx
        position = int(self.data_list[idx])
        shard = int(np.searchsorted(self._ends, position, side="right"))
        start = int(self._ends[shard - 1]) if shard else 0
        info = self._readers[shard].read(position - start)
        info.pop("shape", None)
        return {**info, "sample_idx": idx}
