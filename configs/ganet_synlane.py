# The whole pipeline in minutes on two cores: GaNet at 160×416 on SynLane's drawn roads.
_base_ = ["ganet_culane.py"]

data_root = "data/synlane/"
input_size = (160, 416)  # half of CULane's 320×800, rounded up to a multiple of the stride 32
crop = dict(type="FixedCrop", x=0, y=270, w=1640, h=320)

train_pipeline = [
    dict(type="DecodeImage"),
    crop,
    dict(type="RandomFlip", prob=0.5),
    dict(type="Resize", size=input_size),
    dict(type="RandomBrightnessContrast", brightness=0.2, contrast=0.0, prob=0.5),
    dict(type="PackLaneInputs"),
]
test_pipeline = [
    dict(type="DecodeImage"),
    crop,
    dict(type="Resize", size=input_size),
    dict(type="PackLaneInputs"),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root + "train_lmdb", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root + "val_lmdb", pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root + "test_lmdb", pipeline=test_pipeline),
)
calibrate_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(data_root=data_root + "train_lmdb", pipeline=test_pipeline),
)

model = dict(
    data_preprocessor=dict(input_size=input_size),
    neck=dict(input_size=input_size),
    # The grid has 20 rows where CULane's has 40: a lane is half as many keypoints long.
    head=dict(decoder=dict(min_points=5, cluster_thr=4)),
)

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=1, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        eta_min=0.0,
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(interval=1), visualization=dict(interval=1)
)

stages = dict(
    calibration=dict(
        test_cfg=dict(calibrate_dataloader=calibrate_dataloader, calibrate_steps=20),
    ),
    # Half of the training frames, seen once.
    qat=dict(
        train_dataloader=dict(dataset=dict(indices=400)),
        default_hooks=dict(visualization=dict(interval=1)),
        train_cfg=dict(max_epochs=1, val_interval=1, disable_observer_begin=-1, freeze_bn_begin=1),
        optim_wrapper=dict(optimizer=dict(lr=1e-4)),
        param_scheduler=[
            dict(type="StepLR", step_size=1, gamma=0.1, begin=0, end=1, by_epoch=True)
        ],
    ),
)
