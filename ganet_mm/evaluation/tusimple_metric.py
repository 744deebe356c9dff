"""TuSimple's protocol as an mmengine metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganet_mm.registry import METRICS

from .picture_metric import PictureMetric, picture_key, read_sample
from .tusimple import sample_lane, tusimple_scores


@METRICS.register_module()
class TuSimpleMetric(PictureMetric):
    """Mean accuracy, FP and FN over pictures by TuSimple's protocol.

    Reads of each data sample ``gt_lanes_ori`` and ``pred_lanes`` (lists of (N, 2), pixels of the
    original picture), ``sample_idx``, ``img_path`` and, where there is one, ``h_samples``. Both
    kinds of lane are taken at the rows ``h_samples`` by straight lines between their points.

    Keys: ``accuracy``, ``FP``, ``FN``.

    Args:
        h_samples: Rows in pixels for data samples without their own: first, one past the last,
            step. The default is the benchmark's, 160, 170, … 710.
        collect_device, prefix, collect_dir: As in ``BaseMetric``.

    Raises:
        ValueError: ``h_samples`` holds no row.
    """

    default_prefix = "tusimple"

    def __init__(
        self,
        h_samples: Sequence[int] = (160, 720, 10),
        collect_device: str = "cpu",
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self.h_samples = np.arange(*h_samples, dtype=np.float64)
        if not len(self.h_samples):
            raise ValueError(f"h_samples {tuple(h_samples)} (first, end, step) holds no row.")
        self._scores: dict[tuple, tuple[float, float, float]] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Scores a batch.

        Args:
            data_batch: Not used.
            data_samples: Data samples, or their dicts, as described above.
        """
        for sample in data_samples:
            sample = read_sample(sample, "gt_lanes_ori", "pred_lanes", "sample_idx", "img_path")
            rows = sample.get("h_samples", self.h_samples)
            preds = [sample_lane(lane, rows) for lane in sample["pred_lanes"]]
            gts = [sample_lane(lane, rows) for lane in sample["gt_lanes_ori"]]
            self._scores[picture_key(sample)] = tusimple_scores(preds, gts, rows)

    def finish(self) -> dict[tuple, tuple]:
        """{picture: (accuracy, FP, FN)}."""
        scores, self._scores = self._scores, {}
        return scores

    def summarise(self, pictures: dict[tuple, tuple]) -> dict[str, float]:
        """The means over all pictures."""
        if not pictures:
            return {"accuracy": 0.0, "FP": 0.0, "FN": 0.0}
        accuracy, fp, fn = np.mean(list(pictures.values()), axis=0).tolist()
        return {"accuracy": accuracy, "FP": fp, "FN": fn}
