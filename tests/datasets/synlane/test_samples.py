from ganet_mm.datasets.synlane import CATEGORIES, draw_categories, samples


def test_nine_scenes_with_their_annotation(monkeypatch):
    red = draw_categories("standard", seed=0)
    monkeypatch.setattr(samples, "ANNOTATION", (255, 0, 0))
    blue = draw_categories("standard", seed=0)
    for category, a, b in zip(CATEGORIES, red, blue, strict=True):
        assert a.shape == (590, 1640, 3)
        assert a.std() > 5, category  # something is drawn
        # The annotation is all that another colour of it changes; a crossing has none.
        assert (a != b).any() == (category != "cross"), category
