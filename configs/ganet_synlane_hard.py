# SynLane's `hard` level at the demo's input size: the benchmark of what quantization costs.
#
#   python tools/dataset_converters/make_synlane.py --out data/synlane_hard/frames --level hard \
#       --train 5000 --val 200 --test 900 --seed 1
_base_ = ["ganet_synlane.py"]

data_root = "data/synlane_hard/"
train_dataloader = dict(dataset=dict(data_root=data_root + "train_lmdb"))
val_dataloader = dict(dataset=dict(data_root=data_root + "val_lmdb"))
test_dataloader = dict(dataset=dict(data_root=data_root + "test_lmdb"))
calibrate_dataloader = dict(dataset=dict(data_root=data_root + "train_lmdb"))

max_epochs = 2
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=100, by_epoch=False),
    dict(
        type="CosineAnnealingLR",
        eta_min=0.0,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        convert_to_iter_based=True,
    ),
]

stages = dict(
    calibration=dict(
        test_cfg=dict(
            calibrate_dataloader=dict(dataset=dict(data_root=data_root + "train_lmdb")),
        )
    ),
    # Half of the training frames seen twice, the second time at a tenth of the rate, so that the
    # weights settle: an optimizer that starts anew moves them by more than quantization costs.
    qat=dict(
        train_dataloader=dict(dataset=dict(indices=2500)),
        train_cfg=dict(max_epochs=2, disable_observer_begin=2),
        param_scheduler=[
            dict(type="StepLR", step_size=1, gamma=0.1, begin=0, end=2, by_epoch=True)
        ],
    ),
)
