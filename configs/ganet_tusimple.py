# GaNet on TuSimple: tools/dataset_converters/tusimple_to_culane.py writes its labels in CULane's
# layout, pack_culane.py packs them. Frames are 1280×720, labels begin at row 160.
_base_ = ["ganet_culane.py"]

data_root = "data/tusimple/"
crop = dict(type="FixedCrop", x=0, y=160)  # to the right and the lower edge

train_pipeline = [_base_.train_pipeline[0], crop, *_base_.train_pipeline[2:]]
test_pipeline = [_base_.test_pipeline[0], crop, *_base_.test_pipeline[2:]]
train_dataloader = dict(dataset=dict(data_root=data_root + "train_lmdb", pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root + "val_lmdb", pipeline=test_pipeline))
test_dataloader = val_dataloader
calibrate_dataloader = dict(
    dataset=dict(data_root=data_root + "train_lmdb", pipeline=test_pipeline)
)

val_evaluator = dict(_delete_=True, type="TuSimpleMetric")
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="tusimple/accuracy"))
stages = dict(calibration=dict(test_cfg=dict(calibrate_dataloader=calibrate_dataloader)))
