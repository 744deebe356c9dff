from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.registry import init_default_scope

from .. import model_zoo
from ..cores import allowed_cores
from ..engine import checkpoints
from ..engine.config_file import config_at_fault, override, read_config
from ..registry import INFERENCERS, MODELS, VISUALIZERS
from ..structures import LaneDataSample
from ..visualization import LaneVisualizer
from .background import InOrder, read_ahead
from .inputs import Frame, Input, Source, UnreadableInputError, expand_inputs
from .inputs import read_frames as _read_frames
from .model_files import check_backend, check_device, choose_backend, choose_files
from .outputs import OutputFolder
from .picture_pipeline import PicturePipeline
from .progress import FrameProgress

AHEAD = 4  # frames that are read, and that wait to be written, while the network works


@INFERENCERS.register_module()
class LaneInferencer(BaseInferencer):
    """Finds lanes on pictures, folders and videos.

    >>> inferencer = LaneInferencer()
    >>> result = inferencer("road.jpg")["predictions"][0]
    >>> result["lanes"][0][0], result["scores"][0]
    ([412.1, 588.0], 0.87)

    Without arguments it uses the weights that come with the package; :meth:`list_models` names
    them. ``LaneInferencer("configs/ganet_culane.py", "best.pth")`` takes any checkpoint or
    exported model.

    Pictures may have any size. The config's test pipeline cuts a fixed part out of the frame it
    was made for (``FixedCrop``; CULane: rows 270 to 589 of 1640×590); in a picture of that size
    exactly this happens, in another one the same part of the picture is taken. The frame is the
    config's ``frame_size = (height, width)``, or where it has none, one whose lower border and
    centre are the crop's. Lanes come back in pixels of the picture given.

    Frames are read, go through the network and are written in three threads; an exported file
    gets as many threads as the process has cores, less one for the other two.

    Args:
        model: one of :meth:`list_models`, the path of a config file, or the config itself. None
            takes the first of the list.
        weights: a float checkpoint or a fake-quant one (``.pth``), or an exported ``.onnx`` or
            ``.xml``. Checkpoints are read with ``weights_only=True``: nothing in them is
            executed. None takes the model's own: the int8 file for onnxruntime and OpenVINO, the
            float checkpoint for torch.
        device: e.g. ``"cpu"`` or ``"cuda:0"``; by default the best at hand. The runtimes of
            exported files run on the CPU.
        backend: ``torch`` for checkpoints; ``onnxruntime`` or ``openvino`` for exported files. By
            default what fits the weights; with the package's own weights torch where there is a
            GPU, and else onnxruntime, which runs the int8 file several times as fast.
        show_progress: show a progress bar when the input is longer than one batch.
        cfg_options: settings of the config to override, nested keys by dots.

    Raises:
        FileNotFoundError: config or weights do not exist.
        ValueError: an unknown model, weights without their config or a config without weights, an
            unknown backend or one that can't run these weights, a device that is not there, or a
            setting of the config that nothing knows.
    """

    def __init__(
        self,
        model: str | os.PathLike | Config | ConfigDict | None = None,
        weights: str | os.PathLike | None = None,
        device: str | None = None,
        backend: str | None = None,
        show_progress: bool = True,
        cfg_options: dict | None = None,
    ) -> None:
        check_backend(backend)
        check_device(device)
        model, weights = choose_files(model, weights, device, backend)
        if isinstance(model, str):
            cfg = read_config(model, cfg_options)
        else:
            cfg = copy.deepcopy(model) if isinstance(model, Config) else Config(model)
            override(cfg, cfg_options or {})
        self.weights = weights
        self.backend = choose_backend(weights, backend)
        if self.backend != "torch":
            if device is not None and torch.device(device).type != "cpu":
                raise ValueError(
                    f"'{weights}' runs on the CPU, not on '{device}': leave the device out, or "
                    "give a checkpoint (.pth)"
                )
            device = "cpu"  # the runtimes take their input from there
        with config_at_fault(cfg):
            super().__init__(
                model=cfg,
                weights=weights,
                device=device,
                scope="ganet_mm",
                show_progress=show_progress,
            )

    @staticmethod
    def list_models() -> list[str]:
        """Names of the models whose weights come with the package, the default one first."""
        return model_zoo.list_models()

    def __call__(
        self,
        inputs: Input | Sequence[Input],
        batch_size: int = 1,
        score_thr: float = 0.0,
        return_datasamples: bool = False,
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        out_dir: str | os.PathLike | None = None,
        draw: bool = True,
        lines: bool = False,
        on_error: str = "raise",
    ) -> dict[str, Any]:
        """Finds the lanes of every frame, in the order of the inputs.

        Args:
            inputs: a picture or video file, a folder of such (searched recursively), an array
                (H, W, 3) uint8 in **BGR**, or a list of these.
            batch_size: frames that go through the network together (an ``.onnx`` file takes them
                one by one all the same).
            score_thr: leave out lanes with a lower score, 0..1.
            return_datasamples: give the :class:`LaneDataSample` objects as predictions.
            return_vis: give the drawn pictures too; mind the memory with long input.
            show: open a window for every frame.
            wait_time: seconds to show it; 0 waits for a key.
            out_dir: write results there, named as the inputs are (``a/b.jpg`` below the folder
                that was given); each file is whole or absent.
            draw: write drawings to ``out_dir`` (``.jpg``; ``.mp4`` for a video).
            lines: write lanes to ``out_dir`` as CULane's ``.lines.txt``.
            on_error: what to do about a picture that does not decode: ``"raise"`` at once, or
                ``"record"`` it under ``failed`` and go on.

        Returns:
            dict:

            - ``predictions``: a dict a frame: ``path`` (str; None for an array), ``frame`` (number
              in its video; None else), ``width``, ``height``, ``lanes`` (a list of ``[x, y]`` a
              lane, pixels of the picture, bottom to top), ``scores`` (a number in 0..1 a lane);
              or data samples.
            - ``visualization``: list of (H, W, 3) uint8 **RGB** pictures, or None.
            - ``failed``: list of dicts ``path``, ``error``.

        Raises:
            FileNotFoundError: an input does not exist.
            ValueError: an empty folder, an array of a wrong shape, an address instead of a file,
                clashing output names, ``batch_size`` or ``score_thr`` out of range.
            UnreadableInputError: an input does not decode and ``on_error`` is ``"raise"``.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        _check_score_thr(score_thr)
        sources = self._inputs_to_list(inputs)
        folder = None if out_dir is None else OutputFolder(out_dir, sources, draw, lines)
        drawn_needed = return_vis or show or (folder is not None and draw)
        failed: list[dict[str, str]] = []
        predictions: list = []
        visualization: list[np.ndarray] = []

        def finish(batch: list[Frame], samples: list[LaneDataSample]) -> None:
            drawn = self.visualize(batch, samples, show, wait_time) if drawn_needed else []
            if return_vis:
                visualization.extend(drawn)
            if folder is not None:
                for i, (frame, sample) in enumerate(zip(batch, samples, strict=True)):
                    bgr = cv2.cvtColor(drawn[i], cv2.COLOR_RGB2BGR) if drawn else None
                    folder.write(frame, sample.pred_lanes, bgr)

        frames = self._frames(sources, on_error, failed)
        later = InOrder(_batches_ahead(batch_size))
        try:
            with (
                FrameProgress(sources, batch_size, self.show_progress) as advance,
                closing(self._run(frames, batch_size, score_thr)) as batches,
            ):
                for batch, samples in batches:
                    if show:  # windows belong to the main thread
                        finish(batch, samples)
                    else:
                        later.submit(finish, batch, samples)
                    predictions += self.postprocess(batch, samples, return_datasamples)
                    advance(len(batch))
                later.finish()
            if folder is not None:
                folder.close()
        finally:
            later.close()
            if folder is not None:
                folder.drop()
        return {
            "predictions": predictions,
            "visualization": visualization if return_vis else None,
            "failed": failed,
        }

    def stream(
        self, inputs: Input | Sequence[Input], batch_size: int = 1, score_thr: float = 0.0
    ) -> Iterator[tuple[Frame, LaneDataSample]]:
        """Yields each frame with its data sample as soon as it is done, keeping none.

        Args and errors as in :meth:`__call__`; a frame's ``img`` is BGR.
        """
        _check_score_thr(score_thr)
        frames = self._frames(self._inputs_to_list(inputs), "raise", [])
        with closing(self._run(frames, batch_size, score_thr)) as batches:
            for batch, samples in batches:
                yield from zip(batch, samples, strict=True)

    def visualize(
        self,
        inputs: Sequence[Frame],
        preds: Sequence[LaneDataSample],
        show: bool = False,
        wait_time: float = 0,
    ) -> list[np.ndarray]:
        """Draws predicted lanes with their scores; a list of (H, W, 3) uint8 RGB."""
        drawn = []
        for frame, sample in zip(inputs, preds, strict=True):
            rgb = cv2.cvtColor(frame.img, cv2.COLOR_BGR2RGB)
            image = self.visualizer.draw(rgb, sample, draw_gt=False)
            if show:
                self.visualizer.show(image, win_name=str(frame.source), wait_time=wait_time)
            drawn.append(image)
        return drawn

    def postprocess(
        self,
        inputs: Sequence[Frame],
        preds: Sequence[LaneDataSample],
        return_datasamples: bool = False,
    ) -> list:
        """Plain Python of data samples (see :meth:`__call__`), or the samples themselves."""
        if return_datasamples:
            return list(preds)
        return [
            {
                "path": None if frame.source.path is None else str(frame.source.path),
                "frame": frame.index,
                "width": frame.img.shape[1],
                "height": frame.img.shape[0],
                "lanes": [
                    [[round(float(x), 3), round(float(y), 3)] for x, y in lane]
                    for lane in sample.pred_lanes
                ],
                "scores": [round(float(score), 4) for score in sample.pred_scores],
            }
            for frame, sample in zip(inputs, preds, strict=True)
        ]

    def _inputs_to_list(self, inputs: Input | Sequence[Input]) -> list[Source]:
        return expand_inputs(inputs)

    def _frames(
        self, sources: Sequence[Source], on_error: str, failed: list[dict[str, str]]
    ) -> Iterator[Frame]:
        if on_error not in ("raise", "record"):
            raise ValueError(f"on_error must be 'raise' or 'record', not '{on_error}'")
        for source in sources:
            try:
                yield from _read_frames(source)
            except UnreadableInputError as error:
                if on_error == "raise":
                    raise
                failed.append({"path": str(source), "error": str(error)})

    def _run(
        self, frames: Iterator[Frame], batch_size: int, score_thr: float
    ) -> Iterator[tuple[list[Frame], list[LaneDataSample]]]:
        with closing(
            read_ahead(self._prepared(frames, batch_size), _batches_ahead(batch_size))
        ) as prepared:
            for batch, data in prepared:
                samples = self.forward(data)
                for sample in samples:
                    _drop_low_scores(sample, score_thr)
                yield batch, samples

    def _prepared(
        self, frames: Iterator[Frame], batch_size: int
    ) -> Iterator[tuple[list[Frame], dict]]:
        """Batches of frames with the network's input of each."""
        with closing(frames):
            for batch in self._get_chunk_data(frames, batch_size):
                data = [
                    self.pipeline(frame.img, str(frame.source), frame.index or 0) for frame in batch
                ]
                data = self.collate_fn(data)
                if self.backend != "torch":  # a torch model's input is made on its device
                    data = self.model.data_preprocessor(data, False)
                yield batch, data

    @torch.no_grad()
    def forward(self, inputs: dict, **kwargs) -> list[LaneDataSample]:
        if self.backend == "torch":
            return self.model.test_step(inputs)
        return self.model(**inputs, mode="predict")

    def _init_model(self, cfg: ConfigDict, weights: str, device: str = "cpu"):
        # mmengine's BaseModel looks its data preprocessor up in the default scope
        init_default_scope(cfg.get("default_scope", "ganet_mm"))
        if self.backend == "torch":
            return checkpoints.build_model(cfg, weights, device=device)
        model = checkpoints.model_config(cfg, weights, backend=self.backend)
        return MODELS.build(dict(model, threads=max(1, allowed_cores() - 1))).eval()

    def _init_pipeline(self, cfg: ConfigDict) -> PicturePipeline:
        dataset = cfg.test_dataloader.dataset
        while "pipeline" not in dataset and "dataset" in dataset:
            dataset = dataset.dataset
        if "pipeline" not in dataset:
            raise ValueError("the config's test_dataloader.dataset has no pipeline")
        return PicturePipeline(dataset.pipeline, cfg.get("frame_size"))

    def _init_collate(self, cfg: ConfigDict):
        return pseudo_collate

    def _init_visualizer(self, cfg: ConfigDict) -> LaneVisualizer:
        """The config's visualizer without its backends: an inferencer keeps no event files."""
        options = dict(cfg.get("visualizer", {}), vis_backends=None)
        options.setdefault("type", "LaneVisualizer")
        options["name"] = f"lane_inferencer_{datetime.now().timestamp()}"
        return VISUALIZERS.build(options)


def _batches_ahead(batch_size: int) -> int:
    return max(1, AHEAD // batch_size)


def _check_score_thr(score_thr: float) -> None:
    if not 0 <= score_thr <= 1:
        raise ValueError(f"score_thr must be in 0..1, not {score_thr}")


def _drop_low_scores(sample: LaneDataSample, score_thr: float) -> None:
    kept = [i for i, score in enumerate(sample.pred_scores) if score >= score_thr]
    if len(kept) < len(sample.pred_scores):
        sample.pred_lanes = [sample.pred_lanes[i] for i in kept]
        sample.pred_scores = [sample.pred_scores[i] for i in kept]
