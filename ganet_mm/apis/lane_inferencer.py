from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.registry import init_default_scope

from ..engine import checkpoints
from ..registry import INFERENCERS, VISUALIZERS
from ..structures import LaneDataSample
from ..visualization import LaneVisualizer
from .inputs import Frame, Input, Source, UnreadableInputError, expand_inputs
from .inputs import read_frames as _read_frames
from .outputs import OutputFolder
from .picture_pipeline import PicturePipeline
from .progress import FrameProgress

BACKENDS = ("torch", "onnxruntime", "openvino")


@INFERENCERS.register_module()
class LaneInferencer(BaseInferencer):
    """Finds lanes on pictures, folders and videos with any checkpoint or exported model.

    >>> inferencer = LaneInferencer("configs/ganet_culane.py", "best.pth")
    >>> result = inferencer("road.jpg")["predictions"][0]
    >>> result["lanes"][0][0], result["scores"][0]
    ([412.1, 588.0], 0.87)

    Pictures may have any size. The config's test pipeline cuts a fixed part out of the frame it
    was made for (``FixedCrop``; CULane: rows 270 to 589 of 1640×590); in a picture of that size
    exactly this happens, in another one the same part of the picture is taken. The frame is the
    config's ``frame_size = (height, width)``, or where it has none, one whose lower border and
    centre are the crop's. Lanes come back in pixels of the picture given.

    Args:
        model: path of a config file, or the config itself.
        weights: a float checkpoint or a fake-quant one (``.pth``), or an exported ``.onnx``.
            Checkpoints are read with ``weights_only=True``: nothing in them is executed.
        device: e.g. ``"cpu"`` or ``"cuda:0"``; by default the best at hand. The runtimes of
            ``.onnx`` files run on the CPU.
        backend: ``torch`` for checkpoints; ``onnxruntime`` (the default) or ``openvino`` for
            ``.onnx`` files.
        show_progress: show a progress bar when the input is longer than one batch.

    Raises:
        FileNotFoundError: config or weights do not exist.
        ValueError: no weights, an unknown backend, or one that can't run these weights.
    """

    def __init__(
        self,
        model: str | os.PathLike | Config | ConfigDict,
        weights: str | os.PathLike,
        device: str | None = None,
        backend: str | None = None,
        show_progress: bool = True,
    ) -> None:
        if isinstance(model, os.PathLike):
            model = os.fspath(model)
        if isinstance(model, str) and not Path(model).is_file():
            raise FileNotFoundError(f"config '{model}' does not exist")
        if weights is None:
            raise ValueError("weights are needed: a checkpoint (.pth) or an exported .onnx file")
        weights = os.fspath(weights)
        if not Path(weights).is_file():
            raise FileNotFoundError(f"weights '{weights}' do not exist")
        self.backend = _choose_backend(weights, backend)
        if device is None and self.backend != "torch":
            device = "cpu"  # the runtimes take their input from there
        super().__init__(
            model=model,
            weights=weights,
            device=device,
            scope="ganet_mm",
            show_progress=show_progress,
        )

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
            score_thr: leave out lanes with a lower score.
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
            ValueError: an empty folder, an array of a wrong shape, clashing output names.
            UnreadableInputError: an input does not decode and ``on_error`` is ``"raise"``.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        sources = self._inputs_to_list(inputs)
        folder = None if out_dir is None else OutputFolder(out_dir, sources, draw, lines)
        drawn_needed = return_vis or show or (folder is not None and draw)
        failed: list[dict[str, str]] = []
        predictions: list = []
        visualization: list[np.ndarray] = []
        frames = self._frames(sources, on_error, failed)
        try:
            with FrameProgress(sources, batch_size, self.show_progress) as advance:
                for batch, samples in self._run(frames, batch_size, score_thr):
                    drawn = self.visualize(batch, samples, show, wait_time) if drawn_needed else []
                    if return_vis:
                        visualization += drawn
                    if folder is not None:
                        for i, (frame, sample) in enumerate(zip(batch, samples, strict=True)):
                            bgr = cv2.cvtColor(drawn[i], cv2.COLOR_RGB2BGR) if drawn else None
                            folder.write(frame, sample.pred_lanes, bgr)
                    predictions += self.postprocess(batch, samples, return_datasamples)
                    advance(len(batch))
            if folder is not None:
                folder.close()
        finally:
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
        frames = self._frames(self._inputs_to_list(inputs), "raise", [])
        for batch, samples in self._run(frames, batch_size, score_thr):
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
        for batch in self._get_chunk_data(frames, batch_size):
            data = [
                self.pipeline(frame.img, str(frame.source), frame.index or 0) for frame in batch
            ]
            samples = self.forward(self.collate_fn(data))
            for sample in samples:
                _drop_low_scores(sample, score_thr)
            yield batch, samples

    @torch.no_grad()
    def forward(self, inputs: dict, **kwargs) -> list[LaneDataSample]:
        return self.model.test_step(inputs)

    def _init_model(self, cfg: ConfigDict, weights: str, device: str = "cpu"):
        # mmengine's BaseModel looks its data preprocessor up in the default scope
        init_default_scope(cfg.get("default_scope", "ganet_mm"))
        runtime = "onnxruntime" if self.backend == "torch" else self.backend
        model = checkpoints.build_model(cfg, weights, backend=runtime, device=device)
        return model.eval() if isinstance(model, torch.nn.Module) else model

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


def _choose_backend(weights: str, backend: str | None) -> str:
    exported = Path(weights).suffix.lower() == ".onnx"
    if backend is None:
        return "onnxruntime" if exported else "torch"
    if backend not in BACKENDS:
        raise ValueError(f"backend '{backend}' is unknown; choose one of {', '.join(BACKENDS)}")
    if exported and backend == "torch":
        raise ValueError(
            f"'{weights}' is an exported model: backend must be onnxruntime or openvino"
        )
    if not exported and backend != "torch":
        raise ValueError(
            f"'{weights}' is a checkpoint, which only backend 'torch' runs; make an .onnx file "
            "of it first: `python tools/export.py CONFIG CKPT --out model_int8.onnx`"
        )
    return backend


def _drop_low_scores(sample: LaneDataSample, score_thr: float) -> None:
    kept = [i for i, score in enumerate(sample.pred_scores) if score >= score_thr]
    if len(kept) < len(sample.pred_scores):
        sample.pred_lanes = [sample.pred_lanes[i] for i in kept]
        sample.pred_scores = [sample.pred_scores[i] for i in kept]
