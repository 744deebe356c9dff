from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganet_mm.models import GaNetLoss, GaNetTarget, LaneFastFocalLoss


def loop_focal(logits, heatmap):
    positives, total = 0, 0.0
    for z, y in zip(logits.flatten().tolist(), heatmap.flatten().tolist(), strict=True):
        p = min(max(1 / (1 + math.exp(-z)), 1e-4), 1 - 1e-4)
        if y == 1:
            positives += 1
            total += (1 - p) ** 2 * math.log(p)
        else:
            total += (1 - y) ** 4 * p**2 * math.log(1 - p)
    return -total / positives if positives > 2 else 0.0


def random_maps(seed=0, shape=(2, 12, 24)):
    torch.manual_seed(seed)
    b, h, w = shape
    maps = [torch.randn(b, c, h, w, requires_grad=True) for c in (1, 2, 2)]
    lanes = [[np.float32([[20, 90], [60, 50], [90, 5]])], [np.float32([[150, 95], [140, 20]])]]
    targets = GaNetTarget().get_targets(lanes[:b] + [[]] * (b - 2), (h * 8, w * 8))
    return maps, targets


def test_focal_loss_by_its_formula():
    maps, targets = random_maps()
    logits = maps[0].detach() * 6  # into the clamp on both sides
    loss = LaneFastFocalLoss()(logits, targets["gt_kpts_hm"])
    assert loss.item() == pytest.approx(loop_focal(logits, targets["gt_kpts_hm"]), rel=1e-4)
    assert LaneFastFocalLoss(loss_weight=0.5)(logits, targets["gt_kpts_hm"]).item() == (
        pytest.approx(loss.item() / 2)
    )


@pytest.mark.parametrize(("num_positive", "is_zero"), [(0, True), (2, True), (3, False)])
def test_focal_loss_needs_more_than_two_keypoints(num_positive, is_zero):
    heatmap = torch.full((1, 1, 2, 3), 0.5)
    heatmap.view(-1)[:num_positive] = 1
    logits = torch.zeros(1, 1, 2, 3, requires_grad=True)
    loss = LaneFastFocalLoss()(logits, heatmap)
    loss.backward()
    assert (loss.item() == 0) == is_zero
    assert (logits.grad.abs().max().item() == 0) == is_zero


def test_offset_losses_by_their_formula():
    (logits, pts, sub), targets = random_maps()
    losses = GaNetLoss()(logits, pts, sub, targets)
    for key, prediction, weight in [("pts_offset", pts, 0.5), ("int_offset", sub, 1.0)]:
        mask = targets[f"{key}_mask"]
        error = (mask * (prediction - targets[key])).abs().sum().item()
        expected = weight * error / ((mask != 0).sum().item() + 1e-4)
        assert losses[f"loss_{key}"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["loss_kpts_cls"].item() == pytest.approx(
        loop_focal(logits, targets["gt_kpts_hm"]), rel=1e-4
    )


def test_mask_weights_count_as_one_each():
    """A weight of 0.4 scales the error but the divisor counts it whole."""
    (logits, pts, sub), targets = random_maps()
    full = GaNetLoss()(logits, pts, sub, targets)["loss_pts_offset"].item()
    targets["pts_offset_mask"] = targets["pts_offset_mask"] * 0.4
    assert GaNetLoss()(logits, pts, sub, targets)["loss_pts_offset"].item() == (
        pytest.approx(full * 0.4, rel=1e-5)
    )


def test_batch_without_lanes_is_zero_but_in_the_graph():
    maps, _ = random_maps()
    targets = GaNetTarget().get_targets([[], []], (96, 192))
    losses = GaNetLoss()(*maps, targets)
    assert all(loss.item() == 0 and loss.requires_grad for loss in losses.values())
    sum(losses.values()).backward()
    for each in maps:
        assert each.grad is not None and each.grad.abs().max() == 0


def test_float32_whatever_comes_in():
    maps, targets = random_maps()
    half = [each.detach().bfloat16() for each in maps]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = GaNetLoss()(*half, targets)
    expected = GaNetLoss()(*[each.float() for each in half], targets)
    for key, loss in losses.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, expected[key])


def test_gradients_by_finite_differences():
    (logits, pts, sub), targets = random_maps(shape=(2, 4, 6))
    loss = GaNetLoss()

    def total(*maps):
        return sum(loss(*maps, targets).values())

    total(logits, pts, sub).backward()
    for index, each in enumerate((logits, pts, sub)):
        flat = each.grad.flatten()
        place = int(flat.abs().argmax())
        moved = [m.detach().clone() for m in (logits, pts, sub)]
        moved[index].view(-1)[place] += 1e-2
        above = total(*moved).item()
        moved[index].view(-1)[place] -= 2e-2
        slope = (above - total(*moved).item()) / 2e-2
        assert flat[place].item() == pytest.approx(slope, rel=0.02)
