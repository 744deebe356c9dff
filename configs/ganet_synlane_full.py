# The shipped model: GaNet at its full 320×800 on SynLane's two levels together.
#
#   make="python tools/dataset_converters/make_synlane.py --train 5000 --val 200 --test 900"
#   $make --out data/synlane_standard/frames --level standard --seed 0
#   $make --out data/synlane_hard/frames --level hard --seed 1
#
# and pack_culane.py on each split of both. With two processes on the CPU: tools/dist_train.sh
# configs/ganet_synlane_full.py 2 --amp --cfg-options train_dataloader.batch_size=4
_base_ = ["ganet_culane.py"]

roots = ("data/synlane_standard/", "data/synlane_hard/")
input_size = (320, 800)

# The drawn cameras differ from frame to frame, so the geometric changes can be small; light and
# colour change as for CULane.
train_pipeline = [
    dict(type="DecodeImage"),
    dict(type="FixedCrop", x=0, y=270, w=1640, h=320),
    dict(type="RandomFlip", prob=0.5),
    dict(type="Resize", size=input_size),
    dict(
        type="RandomSelectOne",
        prob=0.7,
        transforms=[
            dict(type="RGBShift", r=20, g=20, b=20),
            dict(type="HueSaturationValue", hue=15, saturation=40, value=20),
        ],
    ),
    dict(type="JPEGCompress", quality=(50, 95), prob=0.2),
    dict(
        type="RandomSelectOne",
        prob=0.2,
        transforms=[dict(type="MeanBlur", ksize=3), dict(type="MedianBlur", ksize=3)],
    ),
    dict(type="RandomBrightnessContrast", brightness=0.2, contrast=0.2, prob=0.5),
    dict(type="ShiftScaleRotate", shift=0.05, scale=(0.9, 1.1), angle=4, prob=0.4),
    dict(type="PackLaneInputs"),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=[root + "train_lmdb" for root in roots], pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=[root + "val_lmdb" for root in roots]),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=[root + "test_lmdb" for root in roots]),
)
calibrate_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=[root + "train_lmdb" for root in roots]),
)

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=200, by_epoch=False),
    dict(
        type="CosineAnnealingLR",
        eta_min=0.0,
        begin=0,
        end=max_epochs,
        T_max=max_epochs,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(checkpoint=dict(interval=1), visualization=dict(interval=1))

stages = dict(
    calibration=dict(
        test_cfg=dict(calibrate_dataloader=calibrate_dataloader, calibrate_steps=40),
    ),
    # 1500 of the training frames, seen twice, the second time at a tenth of the rate.
    qat=dict(
        train_dataloader=dict(
            dataset=dict(
                _delete_=True,
                type="ConcatDataset",
                datasets=[
                    dict(
                        type="CuLaneDataset",
                        data_root=root + "train_lmdb",
                        pipeline=train_pipeline,
                        indices=750,
                    )
                    for root in roots
                ],
            )
        ),
        default_hooks=dict(visualization=dict(interval=1)),
        train_cfg=dict(max_epochs=2, val_interval=1, disable_observer_begin=2, freeze_bn_begin=1),
        optim_wrapper=dict(optimizer=dict(lr=1e-4)),
        param_scheduler=[
            dict(type="StepLR", step_size=1, gamma=0.1, begin=0, end=2, by_epoch=True)
        ],
    ),
)
