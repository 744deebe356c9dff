# GaNet with MixVarGENet on 320×800 input: 1 210 166 parameters, 5.37 GMAC.
# height and width of the input; the data preprocessor and the neck must agree on it

model = dict(
    type="GaNet",
    # uint8 BGR -> YUV444 -> (v - 128) / 128, on the batch, on the device
    data_preprocessor=dict(type="LaneDataPreprocessor", input_size=(320, 800)),
    backbone=dict(
        type="MixVarGENet",
        stem_channels=32,
        stages=[
            dict(block="mixvarge_f2", out_channels=32, stride=1, stack_ops=0),  # stride 2
            dict(block="mixvarge_f4", out_channels=32, stride=2, stack_ops=2),  # stride 4
            dict(block="mixvarge_f4", out_channels=64, stride=2, stack_ops=2),  # stride 8
            dict(block="mixvarge_f2_gb16", out_channels=96, stride=2, stack_ops=6),  # stride 16
            dict(block="mixvarge_f2_gb16", out_channels=160, stride=2, stack_ops=2),  # stride 32
        ],
        out_indices=(2, 3, 4),
    ),
    neck=dict(
        type="GaNetNeck",
        in_channels=(64, 96, 160),
        out_channels=32,
        input_size=(320, 800),
        attention_ratio=4,
    ),
    head=dict(
        type="GaNetHead",
        in_channels=32,
        feat_channels=32,
        target=dict(type="GaNetTarget", hm_down_scale=8, radius=2),
        loss=dict(
            type="GaNetLoss",
            loss_kpts_cls=dict(type="LaneFastFocalLoss", alpha=2.0, gamma=4.0, loss_weight=1.0),
            loss_pts_offset=dict(type="mmdet.L1Loss", loss_weight=0.5),
            loss_int_offset=dict(type="mmdet.L1Loss", loss_weight=1.0),
        ),
        decoder=dict(
            type="GaNetDecoder",
            root_thr=1,
            kpt_thr=0.4,
            cluster_thr=5,
            downscale=8,
            min_points=10,
        ),
    ),
)
