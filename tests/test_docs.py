"""The documents' commands, links and names are real."""

from __future__ import annotations

import argparse
import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ganet_mm.registry import MODELS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "projects/**/*.md",
        "ganet_mm/**/*.md",
        "benchmarks/*.md",
    )
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
# Programs other than ours that the documents call; their options are theirs.
FOREIGN = {"pip", "ruff", "tensorboard", "jupyter", "source", "git", "cd"}
PYTHON = {"python", ".venv/bin/python"}

# Commands that are parsed above but not run below, by how they begin, and why.
NOT_RUN = {
    "make": "sets up a virtual environment, or runs these tests",
    "git clone": "the clone is tests/apis/test_shipped_model.py's",
    "cd": "belongs to the clone",
    "source": "activates the virtual environment",
    "pip": "installs packages",
    "ruff": "the linter, of `make lint`",
    "tensorboard": "a server that does not end",
    "jupyter": "as the one before; tests/test_notebook.py runs it",
    "mim": "tests/test_mim.py runs it where it is installed",
    "tools/dist_train.sh": "eight GPUs; tests/test_ddp.py starts two processes",
    "tools/slurm_train.sh": "a cluster",
    "python -m pytest": "these tests",
    "python tools/demo.py": "ten minutes; each of its steps has tests",
    "python tools/dataset_converters/make_synlane.py --out data/synlane_": "6100 frames each; "
    "the workplace has nine",
    "python tools/dataset_converters/pack_culane.py --data-root data/synlane_": "as the one before",
    "python tools/train.py": "hours; tests/tools/test_pipeline.py trains every stage at a toy size",
    "python tools/test.py * --quant": "needs the QAT stage; tests/tools/test_pipeline.py has it",
    "python tools/export.py * qat/": "needs the QAT stage; tests/tools/test_pipeline.py has it",
    "python tools/export.py * calibration/": "needs calibration; see the stage before",
    "python tools/test.py * work_dirs/seven_bits/": "as the one before",
    "python tools/test.py * --align": "needs a camera's file of the QAT stage; "
    "tests/tools/test_deployed.py has one",
    "python tools/analysis_tools/sensitivity.py": "needs the QAT stage; "
    "tests/tools/test_sensitivity.py has it",
    "python tools/dataset_converters/tusimple_to_culane.py": "TuSimple's labels; "
    "tests/datasets/test_own_data.py converts some",
    "python tools/dataset_converters/pack_culane.py --data-root tusimple": "as the one before",
    "python benchmarks/": "minutes each, and a table of its own to look at",
    "python tools/infer.py my_picture.jpg": "tests/apis/test_shipped_model.py runs it in a clone",
    "python tools/infer.py road.jpg": "as the one before",
    "python tools/infer.py my_pictures drive.mp4": "as the one before",
    "python tools/infer.py --list-models": "as the one before",
}


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def commands(text: str) -> list[list[str]]:
    """The words of every command in a document's bash blocks, without variables set before it."""
    found = []
    for block in fences(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                words = shlex.split(part, comments=True)
                while words and ASSIGNMENT.fullmatch(words[0]):
                    words.pop(0)
                if words[:2] == ["taskset", "-c"]:  # runs the rest on some cores
                    words = words[3:]
                if words:
                    found.append(words)
    return found


ALL = [
    pytest.param(document, words, id=f"{document}: {shlex.join(words)}")
    for document in DOCUMENTS
    for words in commands(read(document))
]


class Parsed(Exception):
    """Carries a tool's parser out of the tool."""


@pytest.fixture(scope="module")
def parser_of():
    """Function of a tool's path: its argument parser, without running the tool."""
    parsers: dict[str, argparse.ArgumentParser] = {}

    def stop(parser, *_, **__):
        raise Parsed(parser)

    def find(tool: str) -> argparse.ArgumentParser:
        if tool not in parsers:
            with pytest.MonkeyPatch.context() as patch:
                patch.syspath_prepend((ROOT / tool).parent)  # as when the script is run
                main = runpy.run_path(str(ROOT / tool), run_name="tool")["main"]
                for name in ("parse_args", "parse_intermixed_args", "parse_known_args"):
                    patch.setattr(argparse.ArgumentParser, name, stop)
                with pytest.raises(Parsed) as found:
                    main()
            parsers[tool] = found.value.args[0]
        return parsers[tool]

    return find


def check_tool(parser_of, document: str, tool: str, words: list[str]) -> None:
    assert (ROOT / tool).is_file(), f"{tool} does not exist"
    parser = parser_of(tool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "error", lambda message: pytest.fail(f"{tool}: {message}"))
        try:
            args = parser.parse_args(words)
        except SystemExit as stop:  # an option such as -h or --list-models
            assert stop.code == 0
            return
    config = getattr(args, "config", None)
    if tool == "tools/infer.py" and args.inputs[0].endswith(".py"):
        config = args.inputs[0]
    if config is not None and config != "CONFIG":
        made_here = f"`{config}`" in prose(read(document))
        assert (ROOT / config).is_file() or made_here, f"{config} does not exist"


@pytest.mark.parametrize("document, words", ALL)
def test_command(document, words, parser_of):
    program, *rest = words
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        target = rest[0].replace(".venv", "$(VENV)")
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
    elif program == "mim":
        action, *rest = rest
        if action == "search":
            assert rest == ["ganet_mm"]
            return
        assert rest.pop(0) == "ganet_mm"
        if action == "run":
            action = rest.pop(0)
            (tool,) = (
                path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"tools/**/{action}.py")
            )
        else:
            tool = f"tools/{action}.py"
        # mim takes the checkpoint as an option and passes it on by place
        rest = [word for word in rest if word != "--checkpoint"]
        check_tool(parser_of, document, tool, rest)
    elif program in ("tools/dist_train.sh", "tools/slurm_train.sh"):
        assert (ROOT / program).stat().st_mode & 0o100
        if program == "tools/dist_train.sh":
            config, processes, *rest = rest
            assert int(processes) > 0
        else:
            _, _, config, *rest = rest
        check_tool(parser_of, document, "tools/train.py", [config, "--launcher", "pytorch", *rest])
    elif program in PYTHON and rest[:2] == ["-m", "pytest"]:
        for word in rest[2:]:
            assert not word.startswith("tests/") or (ROOT / word).exists()
    elif program in PYTHON:
        check_tool(parser_of, document, rest[0], rest[1:])
    else:
        assert program in FOREIGN


def test_every_tool_is_documented():
    """Also that the parser above finds anything at all."""
    called = {word for param in ALL for word in param.values[1] if word.startswith("tools/")}
    tools = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tools/**/*.py")}
    shown = "".join(read(document) for document in DOCUMENTS)
    assert len(called) > 5
    assert [tool for tool in sorted(tools) if tool not in shown] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(document))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (ROOT / document).parent / path if path else ROOT / document
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_it_names_exist(document):
    text = read(document)
    folders = "ganet_mm|tools|configs|projects|tests|benchmarks|docs"
    # After a blank or a quote only: not inside a longer path such as work_dirs/….
    named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.]+\.(?:py|sh|md|ipynb))\b", text)
    made_here = set(re.findall(r"[Ss]ave as `([^`]+)`", text))
    beside = (ROOT / document).parent
    missing = [name for name in named if not ((ROOT / name).exists() or (beside / name).exists())]
    assert [name for name in missing if name not in made_here] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_path_of_a_machine(document):
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp|mnt|opt|Users|usr)/", read(document)) == []
    assert re.findall(r"\b[A-Z]:\\", read(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_blocks_are_python(document):
    for block in fences(read(document), "python"):
        ast.parse(block)


def reason_not_to_run(words: list[str]) -> str | None:
    """Why a command is not run; a ``*`` in :data:`NOT_RUN` stands for some words."""
    text = " ".join(["python", *words[1:]] if words[0] in PYTHON else words)
    for start, reason in NOT_RUN.items():
        begin, _, part = start.partition(" * ")
        if text.startswith(begin) and part in text:
            return reason
    return None


def test_every_reason_belongs_to_a_command():
    reasons = {reason_not_to_run(param.values[1]) for param in ALL}
    assert set(NOT_RUN.values()) <= reasons


RUN = [param for param in ALL if reason_not_to_run(param.values[1]) is None]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the repository's code and, at a toy size, all that the documents' files are:
    CULane, pictures of one's own, their config, untrained checkpoints and exported files."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in ("ganet_mm", "tools", "projects", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "configs", folder / "configs")

    def run(*words):
        return run_python(folder, *map(str, words))

    counts = ("--train", 4, "--val", 2, "--test", 9, "--workers", 1)
    run("tools/dataset_converters/make_synlane.py", "--out", "CULane", *counts)
    for split in ("train", "val", "test"):
        run(
            "tools/dataset_converters/pack_culane.py", "--data-root", "CULane", "--split", split,
            "--out", f"data/synlane/{split}_lmdb",
        )  # fmt: skip
    for level in ("standard", "hard"):
        (folder / f"data/synlane_{level}").symlink_to("synlane")
    names = (folder / "CULane/list/test.txt").read_text()
    (folder / "night.txt").write_text("".join(names.splitlines(keepends=True)[:2]))
    for gt in (folder / "CULane").rglob("*.lines.txt"):  # perfect predictions
        copy = folder / "lines" / gt.relative_to(folder / "CULane")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(gt, copy)
    rng = np.random.default_rng(0)
    for drive in (1, 2):
        place = folder / f"my_data/drive_{drive}"
        place.mkdir(parents=True)
        for number in range(3):
            picture = rng.integers(0, 255, (720, 1280, 3), np.uint8)
            cv2.imwrite(str(place / f"{number:04d}.jpg"), picture)
            (place / f"{number:04d}.lines.txt").write_text("420 710 433 700 446 690 600 400\n")
    (folder / "my_pictures").mkdir()
    shutil.copy(folder / "my_data/drive_1/0000.jpg", folder / "my_pictures/a.jpg")
    shutil.copy(folder / "my_pictures/a.jpg", folder / "road.jpg")
    video = cv2.VideoWriter(
        str(folder / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (1280, 720)
    )
    for _ in range(3):
        video.write(cv2.imread(str(folder / "road.jpg")))
    video.release()
    shutil.copy(folder / "drive.mp4", folder / "drive60.mp4")
    (own,) = [text for text in fences(read("docs/own_data.md"), "python") if "_base_" in text]
    (folder / "configs/my_lanes.py").write_text(own)
    init_default_scope("ganet_mm")
    for name in ("ganet_culane", "ganet_synlane", "my_lanes"):
        cfg = Config.fromfile(folder / f"configs/{name}.py")
        torch.manual_seed(0)
        path = folder / f"work_dirs/{name}/float/best_culane_F1@50_epoch_1.pth"
        path.parent.mkdir(parents=True)
        torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, path)
    # In floats: whether its numbers are integers changes nothing about how it is evaluated.
    for name in ("ganet_culane", "ganet_synlane", "my_lanes"):
        run(
            "tools/export.py", f"configs/{name}.py",
            f"work_dirs/{name}/float/best_culane_F1@50_epoch_1.pth",
            "--out", f"work_dirs/{name}/model_int8.onnx", "--openvino", "--frames", 1,
            "--cfg-options", "test_dataloader.dataset.data_root=data/synlane/test_lmdb",
        )  # fmt: skip
    return folder


def run_python(folder: Path, *words: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, (words, (result.stdout + result.stderr)[-3000:])
    return result.stdout


@pytest.mark.slow
def test_the_commands_run_as_written(workplace):
    """In their order; a later one uses what an earlier one wrote."""
    ran = []
    for param in RUN:
        document, words = param.values
        if words in ran:
            continue
        assert words[0] in PYTHON, f"{document}: give a reason not to run {shlex.join(words)}"
        found = [sorted(workplace.glob(word)) if "*" in word else [word] for word in words[1:]]
        assert all(found), f"{document}: {shlex.join(words)} finds no file"
        try:
            run_python(workplace, *(str(word) for matches in found for word in matches))
        except AssertionError as error:
            pytest.fail(f"{document}: {shlex.join(words)}\n{error}")
        ran.append(words)
    assert len(ran) > 12
