from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganet_mm.models import GaNetHead
from ganet_mm.structures import LaneDataSample


def make_sample(**metainfo):
    sample = LaneDataSample(metainfo=dict(img_path="a/b.jpg", **metainfo))
    sample.gt_lanes = [np.float32([[40, 90], [80, 10]])]
    return sample


def test_parameters_and_shapes():
    head = GaNetHead()
    assert sum(parameter.numel() for parameter in head.parameters()) == 27_909
    finest, coarse = torch.randn(2, 32, 12, 24), torch.randn(2, 32, 6, 12)
    maps = head((finest, coarse))
    assert [tuple(each.shape) for each in maps] == [(2, 1, 12, 24), (2, 2, 12, 24), (2, 2, 12, 24)]


def test_no_norm_and_no_sigmoid():
    head = GaNetHead()
    for branch in (head.kpts_branch, head.pts_offset_branch, head.int_offset_branch):
        assert [type(layer) for layer in branch] == [nn.Conv2d, nn.ReLU, nn.Conv2d]
    logits = head((torch.zeros(1, 32, 4, 4),))[0]
    torch.testing.assert_close(logits, torch.full_like(logits, -2.19))


def test_init():
    torch.manual_seed(0)
    head = GaNetHead()
    for branch in (head.kpts_branch, head.pts_offset_branch, head.int_offset_branch):
        assert branch[0].weight.std().item() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.05)
        assert branch[2].weight.std().item() == pytest.approx(0.01, rel=0.35)
        assert branch[0].bias.abs().max() == 0
    assert head.kpts_branch[2].bias.item() == pytest.approx(-2.19)
    assert head.pts_offset_branch[2].bias.abs().max() == 0
    before = [parameter.clone() for parameter in head.parameters()]
    head.init_weights()  # what the runner calls: changes nothing without an init_cfg
    assert all(torch.equal(a, b) for a, b in zip(before, head.parameters(), strict=True))


def test_loss_takes_the_size_from_the_maps():
    head = GaNetHead()
    losses = head.loss((torch.randn(1, 32, 12, 24),), [make_sample()])
    assert sorted(losses) == ["loss_int_offset", "loss_kpts_cls", "loss_pts_offset"]
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())


def test_targets_are_made_on_the_maps_device(monkeypatch):
    head = GaNetHead()
    make, devices = head.target.get_targets, []

    def get_targets(gt_lanes, img_shape, device):
        devices.append(device)
        return make(gt_lanes, img_shape, device)

    monkeypatch.setattr(head.target, "get_targets", get_targets)
    head.loss((torch.randn(1, 32, 12, 24),), [make_sample()])
    assert devices == [torch.device("cpu")]


@pytest.mark.gpu
def test_a_gpus_losses_are_the_cpus():
    torch.manual_seed(0)
    head, feats = GaNetHead(), torch.randn(1, 32, 12, 24)
    expected = head.loss((feats,), [make_sample()])
    actual = head.cuda().loss((feats.cuda(),), [make_sample()])
    for name, loss in expected.items():
        torch.testing.assert_close(actual[name].cpu(), loss, rtol=1e-3, atol=1e-5)


def test_predict_writes_on_the_samples():
    head = GaNetHead(decoder=dict(type="GaNetDecoder", min_points=4))
    sample = make_sample(scale_factor=(0.5, 2.0), crop_offset=(10.0, 20.0))
    targets = head.target.get_targets([sample.gt_lanes], (96, 192))
    logits = torch.where(targets["gt_kpts_hm"] == 1, 4.0, -4.0)
    (result,) = head.predict_by_feat(logits, targets["pts_offset"], targets["int_offset"], [sample])
    assert result is sample
    (lane,), (score,) = result.pred_lanes, result.pred_scores
    assert isinstance(score, float) and score == pytest.approx(1 / (1 + math.exp(-4)), abs=1e-5)
    # The lane x = 85 − y/2 of the network frame, in the original picture.
    x_img, y_img = (lane[:, 0] - 10) * 0.5, (lane[:, 1] - 20) * 2
    assert np.abs(x_img - (85 - y_img / 2)).max() < 1


def test_missing_metainfo_is_named():
    maps = torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    with pytest.raises(KeyError, match=r"a/b\.jpg.*scale_factor"):
        GaNetHead().predict_by_feat(*maps, [make_sample(crop_offset=(0, 0))])
