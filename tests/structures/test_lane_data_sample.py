import pickle

import numpy as np

from ganet_mm.structures import LaneDataSample


def test_lanes_and_metainfo_survive_a_worker_process():
    lane = np.array([[1, 590], [2, 580]], np.float32)
    sample = LaneDataSample(
        gt_lanes=[lane], gt_lanes_ori=[lane, lane], metainfo=dict(img_path="a/0.jpg", sample_idx=3)
    )
    copy = pickle.loads(pickle.dumps(sample))
    assert copy.img_path == "a/0.jpg" and copy.sample_idx == 3
    assert len(copy.gt_lanes_ori) == 2
    np.testing.assert_array_equal(copy.gt_lanes[0], lane)
    assert "pred_lanes" not in copy
    assert set(copy.to_dict()) >= {"gt_lanes", "gt_lanes_ori"}
