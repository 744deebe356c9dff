import numpy as np

from ganet_mm.datasets.synlane import CATEGORIES, category_sheet, sheet


def tiles(picture: np.ndarray) -> list[np.ndarray]:
    return [tile for row in np.vsplit(picture, 3) for tile in np.hsplit(row, 3)]


def test_nine_scenes_with_their_annotation(monkeypatch):
    red = category_sheet("standard", seed=0, width=492)
    monkeypatch.setattr(sheet, "ANNOTATION", (255, 0, 0))
    blue = category_sheet("standard", seed=0, width=492)
    assert red.shape == (3 * 59, 3 * 164, 3)
    for category, a, b in zip(CATEGORIES, tiles(red), tiles(blue), strict=True):
        assert a.std() > 5, category  # something is drawn
        # The annotation is all that another colour of it changes; a crossing has none.
        assert (a != b).any() == (category != "cross"), category
