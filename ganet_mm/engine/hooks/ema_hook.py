from __future__ import annotations

from mmengine.hooks import EMAHook as MMEngineEMAHook

from ...registry import HOOKS


@HOOKS.register_module()
class EMAHook(MMEngineEMAHook):
    """mmengine's hook of the same name, with defaults that suit short trainings too.

    Validated and saved is an average of the weights over about the last tenth of the iterations so
    far, at most over ``1 / momentum`` of them. mmengine's default averages over 5 000 iterations
    from the first on, and in a training of some hundreds the average is still the random start.
    Batch norm statistics are averaged with the weights that they belong to.

    For the float stage: :func:`..stages.stage_config` takes it out of the quantized ones, whose
    weights move little, and whose observers' ranges would not fit averaged weights.

    Args:
        ema_type: An mmengine averaged model.
        gamma: The momentum is ``gamma / (gamma + iterations)``, at least ``momentum``.
        momentum: The lowest momentum.
        update_buffers: Average the batch norm statistics too.
        kwargs: As mmengine's.
    """

    def __init__(
        self,
        ema_type: str = "MomentumAnnealingEMA",
        gamma: int = 10,
        momentum: float = 2e-4,
        update_buffers: bool = True,
        **kwargs,
    ) -> None:
        if ema_type == "MomentumAnnealingEMA":
            kwargs["gamma"] = gamma
        super().__init__(ema_type, momentum=momentum, update_buffers=update_buffers, **kwargs)
