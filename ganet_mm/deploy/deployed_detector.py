from __future__ import annotations

import numpy as np
import torch
from mmengine.model import BaseModel

from ganet_mm.registry import MODELS

from .runtimes import load_runtime


@MODELS.register_module()
class DeployedLaneDetector(BaseModel):
    """An exported file in the place of a detector: the same data, decoder and metric around it.

    Args:
        model_file: ``.onnx`` file made by tools/export.py.
        head: The float config's head; its decoder turns the maps into lanes.
        data_preprocessor: The float config's data preprocessor.
        backend: ``onnxruntime`` or ``openvino``.
        threads: Threads of the runtime; 0 lets it choose.

    Raises:
        ValueError: the file was exported for another input size than the config's.
    """

    def __init__(
        self,
        model_file: str,
        head: dict,
        data_preprocessor: dict,
        backend: str = "onnxruntime",
        threads: int = 0,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.runtime = load_runtime(backend, model_file, threads)
        exported = tuple(self.runtime.metadata["input_size"])
        configured = tuple(data_preprocessor["input_size"])
        if exported != configured:
            raise ValueError(
                f"{model_file} was exported for an input of {exported[0]}×{exported[1]} (height × "
                f"width), but the config's is {configured[0]}×{configured[1]}: use the config it "
                "was exported with, or export again"
            )
        # Only its predict_by_feat is used; the head's convolutions are inside the file.
        self.head = MODELS.build(head)

    def forward(self, inputs, data_samples=None, mode: str = "predict"):
        """``predict`` gives the data samples with lanes, ``tensor`` the three maps (B, …)."""
        # The file takes one frame at a time, as the camera gives them.
        frames = [self.runtime.run(frame[None].cpu().numpy()) for frame in inputs]
        maps = tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*frames, strict=True))
        if mode == "tensor":
            return maps
        if mode != "predict":
            raise RuntimeError(f"an exported file cannot run mode '{mode}', only predict or tensor")
        return self.head.predict_by_feat(*maps, data_samples)
