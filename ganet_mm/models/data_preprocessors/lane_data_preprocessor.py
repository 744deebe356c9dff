from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ganet_mm.registry import MODELS

from .bgr_to_yuv444 import BgrToYuv444


@MODELS.register_module()
class LaneDataPreprocessor(BaseDataPreprocessor):
    """uint8 BGR pictures to the network's input: one batch, on the device, YUV444, (v − 128)/128.

    Args:
        input_size: (height, width) that every picture must have.
        non_blocking: Copy to the device without waiting (useful with pinned memory).

    Raises:
        ValueError: a picture of another size than ``input_size`` (the message names it).
        TypeError: a picture that is not uint8.
    """

    def __init__(
        self, input_size: tuple[int, int] = (320, 800), non_blocking: bool | None = False
    ) -> None:
        super().__init__(non_blocking)
        height, width = input_size
        self.input_size = (int(height), int(width))
        self.to_yuv = BgrToYuv444()

    def forward(self, data: dict, training: bool = False) -> dict:
        """Moves, stacks and converts one batch.

        Args:
            data: ``inputs``: list (B) of uint8 (3, H, W), or one uint8 (B, 3, H, W);
                ``data_samples``: list (B) of LaneDataSample, optional.
            training: Unused; both ways are the same.

        Returns:
            ``inputs``: float32 (B, 3, H, W) in −1..1, channels Y, U, V; ``data_samples`` as given.
        """
        data = self.cast_data(data)
        data_samples = data.get("data_samples")
        inputs = data["inputs"]
        for index, picture in enumerate(inputs):
            self._check(picture, index, data_samples)
        batch = inputs if isinstance(inputs, Tensor) else torch.stack(list(inputs))
        return dict(inputs=self.convert(batch), data_samples=data_samples)

    def convert(self, batch: Tensor) -> Tensor:
        """Pictures uint8 (B, 3, H, W) to the network's input float32 (B, 3, H, W)."""
        return (self.to_yuv(batch).float() - 128) / 128

    def _check(self, picture: Tensor, index: int, data_samples: Sequence | None) -> None:
        expected = (3, *self.input_size)
        if tuple(picture.shape) == expected and picture.dtype == torch.uint8:
            return
        name = f"picture {index} of the batch"
        if data_samples is not None:
            name += f" ({data_samples[index].get('img_path', 'no img_path')})"
        if picture.dtype != torch.uint8:
            raise TypeError(f"{name} is {picture.dtype}, not uint8: leave normalising to the model")
        raise ValueError(
            f"{name} has shape {tuple(picture.shape)}, but the model takes {expected} "
            "(channels, height, width): make the pipeline's Resize and the model's input_size agree"
        )
