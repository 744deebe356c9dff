# A few frames learned by heart: the quickest proof that a data set's annotation, crop and size are
# right, and that its lanes survive the way to integers. Train and test on the same LMDB.
_base_ = ["ganet_culane.py"]

lmdb = "data/overfit_lmdb"
pipeline = [
    dict(type="DecodeImage"),
    dict(type="FixedCrop", x=0, y=270, w=1640, h=320),
    dict(type="Resize", size=(320, 800)),
    dict(type="PackLaneInputs"),
]
dataset = dict(type="CuLaneDataset", data_root=lmdb, pipeline=pipeline)

# Each frame 50 times an epoch; 3 of them a step.
train_dataloader = dict(
    batch_size=3,
    num_workers=1,
    dataset=dict(_delete_=True, type="RepeatDataset", times=50, dataset=dataset),
)
val_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(data_root=lmdb))
test_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(data_root=lmdb))
calibrate_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(data_root=lmdb))

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
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
default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(interval=1), visualization=dict(interval=1)
)

stages = dict(
    calibration=dict(test_cfg=dict(calibrate_dataloader=calibrate_dataloader, calibrate_steps=3)),
    qat=dict(
        default_hooks=dict(visualization=dict(interval=1)),
        train_cfg=dict(max_epochs=1, disable_observer_begin=-1, freeze_bn_begin=1),
        optim_wrapper=dict(optimizer=dict(lr=1e-4)),
        param_scheduler=[dict(type="ConstantLR", factor=1.0, begin=0, end=1, by_epoch=True)],
    ),
)
