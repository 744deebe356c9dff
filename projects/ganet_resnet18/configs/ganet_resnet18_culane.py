# The CULane recipe with ResNet-18, the backbone of the paper's GANet-S, out of mmdet.
_base_ = ["../../../configs/ganet_culane.py"]

model = dict(
    backbone=dict(
        _delete_=True,
        type="mmdet.ResNet",
        depth=18,
        out_indices=(1, 2, 3),  # strides 8, 16, 32
        norm_eval=False,  # from scratch: the batch norms have nothing to keep
    ),
    neck=dict(in_channels=(128, 256, 512)),
)
