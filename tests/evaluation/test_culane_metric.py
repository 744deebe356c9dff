from __future__ import annotations

import os

import numpy as np
import pytest
import torch.distributed
import torch.multiprocessing

from ganet_mm.evaluation import CuLaneMetric
from ganet_mm.evaluation.lane_iou import count_pictures
from ganet_mm.evaluation.lines_file import read_lines_file
from ganet_mm.registry import METRICS
from ganet_mm.structures import LaneDataSample

GOOD = [np.float32([[x, y] for y in range(590, 290, -10)]) for x in (200, 600, 1000)]
FAR = [lane + np.float32([190, 0]) for lane in GOOD]


def sample(index, preds, gts, category="normal", ori_shape=(590, 1640)):
    meta = dict(img_path=f"driver/{index:05d}.jpg", sample_idx=index, ori_shape=ori_shape)
    if category is not None:
        meta["category"] = category
    data_sample = LaneDataSample(metainfo=meta)
    data_sample.gt_lanes_ori = gts
    data_sample.pred_lanes = preds
    data_sample.pred_scores = [1.0] * len(preds)
    return data_sample


def score(samples, size=None, batch=2, **options):
    metric = METRICS.build(dict(type="CuLaneMetric", **options))
    for start in range(0, len(samples), batch):
        metric.process(None, [each.to_dict() for each in samples[start : start + batch]])
    return metric.evaluate(len(samples) if size is None else size)


SAMPLES = [
    sample(0, GOOD, GOOD),
    sample(1, GOOD[:2], GOOD, "night"),
    sample(2, FAR[:1], GOOD[:1], "night"),
    sample(3, GOOD[:2], [], "cross"),
    sample(4, [], [], "cross"),
]


def test_keys_and_values():
    metrics = score(SAMPLES, num_workers=0)
    # tp 3 + 2, predictions 3 + 2 + 1 + 2, annotations 3 + 3 + 1
    assert metrics == {
        "culane/F1@50": pytest.approx(2 * 5 / 15),
        "culane/precision@50": pytest.approx(5 / 8),
        "culane/recall@50": pytest.approx(5 / 7),
        "culane/F1@75": pytest.approx(2 * 5 / 15),
        "culane/precision@75": pytest.approx(5 / 8),
        "culane/recall@75": pytest.approx(5 / 7),
        "culane/F1@50_normal": 1.0,
        "culane/F1@50_night": pytest.approx(2 * 2 / 7),
        "culane/FP_cross": 2,
    }
    assert list(metrics)[-3:] == ["culane/F1@50_normal", "culane/FP_cross", "culane/F1@50_night"]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_workers_and_chunks_change_nothing(workers, chunk_size):
    options = dict(num_workers=workers, chunk_size=chunk_size)
    assert score(SAMPLES, **options) == score(SAMPLES, num_workers=0)


def test_a_metric_serves_several_evaluations():
    metric = CuLaneMetric(num_workers=1)
    for samples in (SAMPLES, SAMPLES[:1], SAMPLES):
        metric.process(None, samples)
        metrics = metric.evaluate(len(samples))
    assert metrics == score(SAMPLES, num_workers=0)


def test_mf1_and_other_thresholds():
    rng = np.random.default_rng(0)
    samples = [
        sample(i, [lane + np.float32([rng.normal(0, 8), 0]) for lane in GOOD], GOOD)
        for i in range(6)
    ]
    metrics = score(samples, iou_thrs=(0.6,), mf1=True, num_workers=0)
    expected = []
    for thr in np.arange(10) * 0.05 + 0.5:
        f1 = score(samples, iou_thrs=(round(float(thr), 2),), num_workers=0)
        expected.append(f1[f"culane/F1@{round(float(thr) * 100)}"])
    assert metrics["culane/mF1"] == pytest.approx(np.mean(expected))
    assert "culane/F1@50" not in metrics
    assert metrics["culane/F1@60_normal"] == metrics["culane/F1@60"]


def test_without_categories_there_is_the_overall_score_only():
    metrics = score([sample(0, GOOD, GOOD, None), sample(1, FAR, GOOD, None)], num_workers=0)
    assert metrics["culane/F1@50"] == 0.5
    assert not [key for key in metrics if "_" in key]


def test_repeated_pictures_count_once():
    # What a sampler pads with to make ranks equally long.
    assert score(SAMPLES + SAMPLES[:3], size=5) == score(SAMPLES)


def test_a_set_seen_in_part_is_said(caplog):
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        score(SAMPLES[:3], size=5, num_workers=0)
    finally:
        logger.removeHandler(caplog.handler)
    assert "saw 3 different pictures of a set of 5" in caplog.text


def test_table_goes_to_the_log(caplog):
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        score(SAMPLES, num_workers=0)
    finally:
        logger.removeHandler(caplog.handler)
    words = [line.split()[0] for line in caplog.text.splitlines() if line.split()]
    assert [word for word in words if word in ("normal", "cross", "night", "overall")] == [
        "normal",
        "cross",
        "night",
        "overall",
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_lines_dir_scores_as_the_metric_did(tmp_path, workers):
    rng = np.random.default_rng(1)
    rough = [lane + rng.normal(0, 3, lane.shape) for lane in GOOD]
    rough[0] = np.repeat(rough[0], 2, axis=0)  # repeated points
    preds = [*rough, GOOD[0][:1], np.zeros((0, 2))]
    samples = [sample(0, preds, GOOD), sample(1, [], GOOD)]
    metrics = score(samples, lines_dir=str(tmp_path / "lines"), num_workers=workers)
    written = [read_lines_file(tmp_path / f"lines/driver/0000{i}.lines.txt") for i in (0, 1)]
    assert [len(lanes) for lanes in written] == [3, 0]
    assert (tmp_path / "lines/driver/00001.lines.txt").read_bytes() == b""
    counts = count_pictures([(lanes, GOOD) for lanes in written], [(590, 1640)] * 2, (0.5, 0.75))
    tp = np.sum(counts, axis=0)
    assert metrics["culane/F1@50"] == pytest.approx(2 * tp[0] / 9)
    assert metrics["culane/F1@75"] == pytest.approx(2 * tp[1] / 9)


def test_a_name_that_leaves_lines_dir_is_refused(tmp_path):
    bad = sample(0, GOOD, GOOD)
    bad.set_metainfo(dict(img_path="../../etc/0.jpg"))
    with pytest.raises(ValueError, match=r"has a '\.\.'"):
        score([bad], lines_dir=str(tmp_path), num_workers=0)


def test_pictures_of_other_sizes():
    small = [lane * np.float32(0.1) for lane in GOOD]
    samples = [sample(0, small, small, ori_shape=(59, 164)), sample(1, GOOD, GOOD)]
    assert score(samples, num_workers=0)["culane/F1@75"] == 1.0


def test_fix_degenerate():
    outside = GOOD[0] - np.float32([5000, 0])
    samples = [sample(0, GOOD + [outside], GOOD + [outside])]
    assert score(samples, num_workers=0)["culane/F1@50"] == pytest.approx(2 / 4)
    fixed = score(samples, num_workers=0, fix_degenerate=True)
    assert fixed["culane/F1@50"] == pytest.approx(3 / 4)


def test_a_missing_field_is_named():
    data = sample(0, GOOD, GOOD).to_dict()
    del data["ori_shape"]
    with pytest.raises(KeyError, match=r"needs ori_shape .*meta_keys"):
        CuLaneMetric(num_workers=0).process(None, [data])


def test_bad_arguments():
    with pytest.raises(ValueError, match="not inside"):
        CuLaneMetric(iou_thrs=(50,))
    with pytest.raises(ValueError, match="chunk_size"):
        CuLaneMetric(chunk_size=0)
    with pytest.raises(ValueError, match="num_workers"):
        CuLaneMetric(num_workers=-2)


def _rank(rank, world_size, parts, size, port, queue):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world_size)
    metric = CuLaneMetric(num_workers=1)
    metric.process(None, [SAMPLES[i] for i in parts[rank]])
    queue.put((rank, metric.evaluate(size)))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    "parts",
    [
        [[0, 2, 4], [1, 3, 0]],  # the default sampler: in turns, padded with the first
        [[0, 1, 2, 3, 4], []],  # one rank without a picture
    ],
)
def test_several_ranks_give_what_one_gives(parts):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    ranks = [
        context.Process(target=_rank, args=(rank, 2, parts, 5, port, queue)) for rank in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    results = dict(queue.get() for _ in ranks)
    expected = score(SAMPLES, num_workers=0)
    assert results == {0: expected, 1: expected}
