from __future__ import annotations

from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform

from ganet_mm.registry import TRANSFORMS

from .chance import check_prob, happens, integer


@TRANSFORMS.register_module()
class RandomSelectOne(BaseTransform):
    """Applies one of several transforms, each as likely as the others.

    Required Keys, Modified Keys: those of the transforms

    Args:
        transforms: Configs or callables to choose from.
        prob: Probability that one is applied.
    """

    def __init__(self, transforms: Sequence[dict | Callable], prob: float = 1.0) -> None:
        if not transforms:
            raise ValueError("transforms: none given; expected at least one to choose from")
        self.transforms = [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        self.prob = check_prob(prob)

    def transform(self, results: dict) -> dict | None:
        if not happens(self.prob):
            return results
        return self.transforms[integer(0, len(self.transforms) - 1)](results)

    def __repr__(self) -> str:
        return f"RandomSelectOne(transforms={self.transforms}, prob={self.prob})"
