# The demo with another backbone. Run from the repository's root, after `make demo` has drawn and
# packed the frames:
#
#   PYTHONPATH=. python tools/train.py projects/example/configs/ganet_plain_conv_synlane.py
_base_ = ["../../../configs/ganet_synlane.py"]

custom_imports = dict(imports=["projects.example.plain_conv_net"])

model = dict(
    backbone=dict(
        _delete_=True, type="PlainConvNet", channels=(16, 32, 48, 64, 96), depths=(1, 2, 2, 2, 2)
    ),
    neck=dict(in_channels=(48, 64, 96)),  # the backbone's channels at strides 8, 16, 32
)
