# The quantized stages. `stages.calibration` and `stages.qat` are merged over the float config by
# `tools/train.py --stage`; a stage's model takes the float model as its architecture.

# Activations: 8 bit, per tensor, asymmetric. Weights: 8 bit, per output channel, symmetric.
_weights = dict(
    w_observer=dict(type="mmrazor.PerChannelMinMaxObserver"),
    w_fake_quant=dict(type="mmrazor.FakeQuantize"),
    w_qscheme=dict(qdtype="qint8", bit=8, is_symmetry=True, is_symmetric_range=True),
)
_activations = dict(
    # torch's numbers, made faster on the CPU.
    a_fake_quant=dict(type="ganet_mm.ActivationFakeQuantize"),
    a_qscheme=dict(qdtype="quint8", bit=8, is_symmetry=False),
)
_tracer = dict(type="mmrazor.CustomTracer")

stages = dict(
    calibration=dict(
        # Used with several processes; the prefix is needed, mmengine looks it up without a scope.
        model_wrapper_cfg=dict(type="ganet_mm.QuantLaneDetectorDDP"),
        model=dict(
            type="QuantLaneDetector",
            quantizer=dict(
                type="LaneQuantizer",
                # The histogram observer picks the range of least squared error.
                global_qconfig=dict(
                    a_observer=dict(type="mmrazor.HistogramObserver"), **_weights, **_activations
                ),
                tracer=_tracer,
            ),
        ),
        # PTQLoop saves its one checkpoint itself and validates outside of a training.
        default_hooks=dict(checkpoint=dict(save_best=None)),
    ),
    qat=dict(
        model_wrapper_cfg=dict(type="ganet_mm.QuantLaneDetectorDDP"),
        model=dict(
            type="QuantLaneDetector",
            quantizer=dict(
                type="LaneQuantizer",
                global_qconfig=dict(
                    a_observer=dict(type="mmrazor.MovingAverageMinMaxObserver"),
                    **_weights,
                    **_activations,
                ),
                tracer=_tracer,
            ),
        ),
    ),
)
