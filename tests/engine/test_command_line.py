from __future__ import annotations

import argparse
import os

import pytest

from ganet_mm.engine.command_line import parse_one_checkpoint


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("checkpoint", nargs="?")
    parser.add_argument("--load-from")
    return parser


@pytest.fixture
def checkpoints(tmp_path):
    """Two of them; the first is the newer."""
    paths = [tmp_path / f"best_epoch_{number}.pth" for number in (1, 2)]
    for path, when in zip(paths, (2000, 1000), strict=True):
        path.touch()
        os.utime(path, (when, when))
    return [str(path) for path in paths]


def test_one_checkpoint(parser, checkpoints):
    args = parse_one_checkpoint(parser, ["a.py", checkpoints[0]])
    assert (args.config, args.checkpoint) == ("a.py", checkpoints[0])


@pytest.mark.parametrize("before", [["a.py"], ["a.py", "c.onnx", "--load-from"]])
def test_a_pattern_found_two(parser, checkpoints, before, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_one_checkpoint(parser, before + checkpoints)
    words = capsys.readouterr().err
    assert f"2 checkpoints where one is expected: {', '.join(checkpoints)}" in words
    assert words.endswith(f"newest: {checkpoints[0]}\n")


def test_what_is_no_checkpoint_is_argparses(parser, checkpoints, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_one_checkpoint(parser, ["a.py", checkpoints[0], "--qant", "x.pth"])
    assert "unrecognized arguments: --qant x.pth" in capsys.readouterr().err
