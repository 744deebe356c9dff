# SynLane with learned step sizes (LSQ, arXiv 1902.08153): the scales of the qat stage are trained
# with the weights instead of following the values' range.
_base_ = ["ganet_synlane.py"]

stages = dict(
    qat=dict(
        model=dict(
            quantizer=dict(
                global_qconfig=dict(
                    w_observer=dict(type="mmrazor.LSQPerChannelObserver"),
                    a_observer=dict(type="mmrazor.LSQObserver"),
                    w_fake_quant=dict(type="mmrazor.LearnableFakeQuantize"),
                    a_fake_quant=dict(type="mmrazor.LearnableFakeQuantize"),
                ),
            ),
        ),
        train_cfg=dict(
            _delete_=True,
            type="LSQEpochBasedLoop",
            max_epochs=1,
            val_interval=1,
            freeze_bn_begin=1,
        ),
        # Adam moves every parameter by about lr a step, and scales are a thousandth of a weight.
        optim_wrapper=dict(
            paramwise_cfg=dict(custom_keys={".scale": dict(lr_mult=0.01, decay_mult=0.0)}),
        ),
    ),
)
