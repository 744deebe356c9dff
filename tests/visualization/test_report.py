from ganet_mm.evaluation.scores import LaneCounts
from ganet_mm.visualization.report import (
    Report,
    best_frames,
    category_table,
    frame_caption,
    frames_of,
    markdown_table,
    metrics_table,
    worst_frames,
)

# (sample_idx, img_path): (category, predicted, annotated, tp@50, tp@75)
PICTURES = {
    (0, "a.jpg"): ("night", 4, 4, 4, 4),
    (1, "b.jpg"): ("normal", 3, 4, 2, 1),
    (2, "c.jpg"): ("cross", 1, 0, 0, 0),
    (3, "d.jpg"): ("normal", 2, 2, 2, 2),
    (4, "e.jpg"): ("normal", 4, 4, 4, 3),
    (5, "f.jpg"): ("cross", 0, 0, 0, 0),
    (6, "g.jpg"): ("tunnel", 2, 3, 0, 0),
}
FRAMES = frames_of(PICTURES)


def paths(frames) -> str:
    return "".join(frame.img_path[0] for frame in frames)


def test_worst_frames_have_most_errors_and_never_none():
    assert paths(worst_frames(FRAMES, 99)) == "gbc"
    assert paths(worst_frames(FRAMES, 1)) == "g"
    assert worst_frames(FRAMES[:1], 3) == []


def test_best_frames_are_right_and_full():
    assert paths(best_frames(FRAMES, 99)) == "ade"
    assert paths(best_frames(FRAMES, 2)) == "ad"


def test_rows_are_culanes_categories_then_others_then_all():
    header, *rows = category_table(FRAMES, (0.5, 0.75))
    assert header[:4] == ["category", "frames", "lanes", "F1@50"]
    assert [row[0] for row in rows] == ["normal", "cross", "night", "tunnel", "all"]
    by_name = {row[0]: row[1:] for row in rows}
    counts = LaneCounts.zeros(2)
    for _, predicted, annotated, *tp in PICTURES.values():
        counts.add(tp, predicted, annotated)
    expected = [counts.scores(i)[key] for i in (0, 1) for key in ("f1", "precision", "recall")]
    assert by_name["all"] == ["7", "17", *[f"{value:.4f}" for value in expected]]
    assert by_name["normal"][:3] == ["3", "10", f"{2 * 8 / 19:.4f}"]
    assert by_name["cross"] == ["2", "0", "1 false", "–", "–", "1 false", "–", "–"]


def test_without_categories_there_is_one_row():
    frames = frames_of({(0, "a.jpg"): (None, 1, 1, 1)})
    assert [row[0] for row in category_table(frames, (0.5,))] == ["category", "all"]
    assert frame_caption(frames[0], 0.5) == "`a.jpg`: 1 hit, 0 false, 0 missed at IoU 0.5"
    assert category_table([], (0.5,))[-1] == ["all", "0", "0", "0 false", "–", "–"]


def test_a_table_is_markdown():
    assert markdown_table([["a", "b"], ["x|y", 1]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |"
    assert metrics_table({"F1": 0.5}) == [["metric", "value"], ["F1", "0.5000"]]


def test_empty_parts_are_left_out():
    assert Report("toy: test").markdown() == "# toy: test\n"
    text = Report("t", best=[("report/best_1.jpg", "caption")]).markdown()
    assert "### Best\n\ncaption\n\n![best_1](report/best_1.jpg)\n" in text
    assert "Worst" not in text and "Curves" not in text
