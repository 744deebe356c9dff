# GaNet on CULane, from float to integers: the whole recipe, for 8 GPUs × 64 pictures.
#
#   python tools/train.py  configs/ganet_culane.py                      float
#   python tools/train.py  configs/ganet_culane.py --stage calibration  ranges of the activations
#   python tools/train.py  configs/ganet_culane.py --stage qat          quantization-aware training
#   python tools/export.py configs/ganet_culane.py QAT.pth --out int8.onnx
_base_ = [
    "_base_/models/ganet_mixvargenet.py",
    "_base_/datasets/culane.py",
    "_base_/quantization.py",
    "_base_/default_runtime.py",
]

max_epochs = 240
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
val_evaluator = dict(type="CuLaneMetric", iou_thrs=(0.5, 0.75))
test_evaluator = val_evaluator

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=0.01, weight_decay=4e-5),
    # Weight decay on the convolutions' weights only.
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bypass_duplicate=True),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, begin=0, end=1, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        eta_min=0.0,
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        convert_to_iter_based=True,
    ),
]
# Long training: a checkpoint and a score every 5 epochs, pictures every 20.
default_hooks = dict(checkpoint=dict(interval=5), visualization=dict(interval=20))
auto_scale_lr = dict(enable=False, base_batch_size=8 * 64)
sync_bn = "torch"

stages = dict(
    calibration=dict(
        test_cfg=dict(
            type="mmrazor.PTQLoop",
            calibrate_dataloader=_base_.calibrate_dataloader,
            calibrate_steps=10,
        ),
    ),
    qat=dict(
        default_hooks=dict(checkpoint=dict(interval=1), visualization=dict(interval=5)),
        train_cfg=dict(
            type="mmrazor.QATEpochBasedLoop",
            max_epochs=20,
            val_interval=1,
            disable_observer_begin=16,
            freeze_bn_begin=11,
        ),
        optim_wrapper=dict(optimizer=dict(lr=1e-3)),
        param_scheduler=[
            dict(type="StepLR", step_size=10, gamma=0.1, begin=0, end=20, by_epoch=True)
        ],
    ),
)
