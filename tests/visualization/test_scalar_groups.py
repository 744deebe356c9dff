from ganet_mm.visualization.scalar_groups import group_scalars


def test_training_and_validation_are_told_apart():
    trained = {"base_lr": 0.1, "lr": 0.2, "data_time": 1, "time": 2, "loss": 3, "loss_kpts": 4}
    assert group_scalars({**trained, "epoch": 1, "iter": 10, "grad_norm": 5}) == {
        "lr/base_lr": 0.1,
        "lr/lr": 0.2,
        "time/train_data": 1,
        "time/train": 2,
        "loss/loss": 3,
        "loss/loss_kpts": 4,
        "other/grad_norm": 5,
    }
    validated = {"culane/F1@50": 0.9, "culane/F1@50_night": 0.8, "culane/FP_cross": 7, "time": 1}
    assert group_scalars(validated) == {
        "culane/F1@50": 0.9,
        "culane_by_category/F1@50_night": 0.8,
        "culane_by_category/FP_cross": 7,
        "time/val": 1,
    }
