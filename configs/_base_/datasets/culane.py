# CULane, packed by tools/dataset_converters/pack_culane.py. The frames are 1640×590; the network
# sees the road below row 270 at 320×800.
dataset_type = "CuLaneDataset"
data_root = "data/culane/"
input_size = (320, 800)
crop = dict(type="FixedCrop", x=0, y=270, w=1640, h=320)

train_pipeline = [
    dict(type="DecodeImage"),
    crop,
    dict(type="RandomFlip", prob=0.5),
    dict(type="Resize", size=input_size),
    dict(
        type="RandomSelectOne",
        prob=0.7,
        transforms=[
            dict(type="RGBShift", r=10, g=10, b=10),
            dict(type="HueSaturationValue", hue=10, saturation=15, value=10),
        ],
    ),
    dict(type="JPEGCompress", quality=(85, 95), prob=0.2),
    dict(
        type="RandomSelectOne",
        prob=0.2,
        transforms=[dict(type="MeanBlur", ksize=3), dict(type="MedianBlur", ksize=3)],
    ),
    dict(type="RandomBrightnessContrast", brightness=0.2, contrast=0.0, prob=0.5),
    dict(
        type="WarpOnce",
        transforms=[
            dict(type="ShiftScaleRotate", shift=0.1, scale=(0.8, 1.2), angle=10, prob=0.6),
            dict(
                type="RandomResizedCrop",
                size=input_size,
                area=(0.8, 1.2),
                aspect=(1.7, 2.7),
                prob=0.6,
            ),
        ],
    ),
    dict(type="PackLaneInputs"),
]
test_pipeline = [
    dict(type="DecodeImage"),
    crop,
    dict(type="Resize", size=input_size),
    dict(type="PackLaneInputs"),
]

# 64 a GPU, on 8 GPUs.
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root + "train_lmdb", pipeline=train_pipeline),
)
# The best checkpoint is chosen on CULane's own val list; the test list is for the report.
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root + "val_lmdb", pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root + "test_lmdb",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
# Training frames as the network meets them later: without augmentation.
calibrate_dataloader = dict(
    batch_size=128,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root + "train_lmdb", pipeline=test_pipeline),
)
