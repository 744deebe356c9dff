from __future__ import annotations

import numpy as np
import torch
from mmengine.model import BaseModel

from ganet_mm.models.data_preprocessors import LaneDataPreprocessor
from ganet_mm.registry import MODELS

from .camera import camera_frame, frame_shape
from .onnx_file import OUTPUT_NAMES
from .peaks import PEAKS
from .runtimes import load_runtime


@MODELS.register_module()
class CameraDataPreprocessor(LaneDataPreprocessor):
    """Pictures to frames as a camera gives them, see :mod:`.camera`.

    Args:
        layout: One of :data:`.camera.LAYOUTS`.
        input_size: (height, width) that every picture must have.
    """

    def __init__(self, layout: str, input_size: tuple[int, int]) -> None:
        super().__init__(input_size)
        self.layout = layout

    def convert(self, batch: torch.Tensor) -> torch.Tensor:
        """Pictures uint8 (B, 3, H, W) to frames of ``layout``, see :func:`.camera.camera_frame`."""
        pictures = batch.permute(0, 2, 3, 1).cpu().numpy()
        frames = [torch.from_numpy(camera_frame(picture, self.layout)) for picture in pictures]
        return torch.cat(frames)


@MODELS.register_module()
class DeployedLaneDetector(BaseModel):
    """An exported file in the place of a detector: the same data, decoder and metric around it.

    A file that takes a camera's bytes is given bytes, one frame at a time, as it will be when
    deployed. Where a file gives the keypoints' peaks, lanes are decoded from them.

    Args:
        model_file: ``.onnx`` file made by tools/export.py, or the ``.xml`` of its OpenVINO IR.
        head: The float config's head; its decoder turns the maps into lanes.
        data_preprocessor: The float config's data preprocessor.
        backend: ``onnxruntime`` or ``openvino``; None chooses by the file.
        threads: Threads of the runtime; 0 lets it choose.
        align: Do to a frame what a program on the device does and nothing else: its input is made
            in NumPy for every layout, and a batch has one frame.

    Raises:
        ValueError: the file was exported for another input size than the config's.
    """

    def __init__(
        self,
        model_file: str,
        head: dict,
        data_preprocessor: dict,
        backend: str | None = None,
        threads: int = 0,
        align: bool = False,
    ) -> None:
        runtime = load_runtime(backend, model_file, threads)
        layout = runtime.metadata["input"]
        if align or layout != "normalized":
            data_preprocessor = dict(
                type="CameraDataPreprocessor",
                layout=layout,
                input_size=data_preprocessor["input_size"],
            )
        super().__init__(data_preprocessor=data_preprocessor)
        self.runtime, self.align = runtime, align
        exported = tuple(runtime.metadata["input_size"])
        configured = tuple(data_preprocessor["input_size"])
        if exported != configured:
            raise ValueError(
                f"{model_file} was exported for an input of {exported[0]}×{exported[1]} (height × "
                f"width), but the config's is {configured[0]}×{configured[1]}: use the config it "
                "was exported with, or export again"
            )
        # Only its predict_by_feat is used; the head's convolutions are inside the file.
        self.head = MODELS.build(head)

    def described(self) -> str:
        """What runs, for the log: the file's precision and input, the runtime, how frames go in."""
        stored = self.runtime.metadata
        shape = "×".join(map(str, frame_shape(stored["input"], stored["input_size"])))
        kind = "float32" if stored["input"] == "normalized" else "uint8"
        parts = [
            stored.get("precision", "unknown precision"),
            f"input {stored['input']} ({shape} {kind})",
            type(self.runtime).__name__,
        ]
        if PEAKS in stored.get("outputs", ()):
            parts.append("lanes from its peaks")
        if self.align:
            parts.append("one frame at a time, as deployed")
        return ", ".join(parts)

    def forward(self, inputs, data_samples=None, mode: str = "predict"):
        """``predict`` gives the data samples with lanes, ``tensor`` the three maps (B, …)."""
        if mode not in ("predict", "tensor"):
            raise RuntimeError(f"an exported file cannot run mode '{mode}', only predict or tensor")
        if self.align and len(inputs) != 1:
            raise ValueError(f"a batch of {len(inputs)} frames: a device sees one at a time")
        names = OUTPUT_NAMES
        if mode == "predict" and PEAKS in self.runtime.metadata.get("outputs", ()):
            names = (PEAKS, *OUTPUT_NAMES[1:])
        # The file takes one frame at a time, as the camera gives them.
        frames = [self.runtime.run(frame[None].cpu().numpy(), names) for frame in inputs]
        maps = tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*frames, strict=True))
        return maps if mode == "tensor" else self.head.predict_by_feat(*maps, data_samples)
