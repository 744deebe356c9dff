"""Base of metrics that are sums of small per-picture numbers."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log


class PictureMetric(BaseMetric):
    """Gathers one small tuple a picture from all ranks, each picture once.

    Samplers repeat pictures so that every rank gets equally many, and ranks may hold unequal
    numbers of batches; so the numbers are told apart by the picture's key instead of by place.

    Attributes:
        pictures: {picture key: numbers} of the latest evaluation, in the main process.
    """

    pictures: Mapping[tuple, tuple] = MappingProxyType({})

    @abstractmethod
    def finish(self) -> dict[tuple, tuple]:
        """This rank's numbers by picture key; forgets them."""

    @abstractmethod
    def summarise(self, pictures: dict[tuple, tuple]) -> dict[str, float]:
        """The metrics, without prefix, from the numbers of all pictures of the set."""

    def evaluate(self, size: int) -> dict[str, float]:
        """Gathers the numbers of all ranks and returns the metrics on all of them.

        Args:
            size: Number of pictures in the set.
        """
        # One item a rank, so that the base class neither interleaves nor cuts.
        self.results = [(size, self.finish())]
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Joins the ranks' (size of the set, {key: numbers}) and sums them up."""
        size = results[0][0]
        pictures = {key: numbers for _, part in results for key, numbers in part.items()}
        if len(pictures) != size:
            print_log(
                f"{type(self).__name__} saw {len(pictures)} different pictures of a set of {size}; "
                "its figures are of those. `sample_idx` and `img_path` tell pictures apart.",
                "current",
                logging.WARNING,
            )
        self.pictures = dict(sorted(pictures.items()))
        return self.summarise(self.pictures)


def read_sample(sample: Any, *needed: str) -> dict:
    """A data sample as a dict that has the keys ``needed``.

    Raises:
        KeyError: A key is missing; the message says where it usually got lost.
    """
    if not isinstance(sample, dict):
        sample = sample.to_dict()
    missing = [key for key in needed if key not in sample]
    if missing:
        raise KeyError(
            f"The metric needs {', '.join(missing)} in every data sample, which has "
            f"{', '.join(sorted(sample))}. Fields come from the model's predict and from "
            "PackLaneInputs, the rest from its meta_keys."
        )
    return sample


def picture_key(sample: dict) -> tuple[int, str]:
    """(sample_idx, img_path), what tells a picture from the others of its set."""
    return int(sample["sample_idx"]), str(sample["img_path"])
