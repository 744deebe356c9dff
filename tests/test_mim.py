"""What mim needs of the repository, and mim itself where openmim or onedl-mim is installed."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from ganet_mm.model_zoo import read_metafile

ROOT = Path(__file__).parents[1]
INDEX = yaml.safe_load((ROOT / "model-index.yml").read_text(encoding="utf-8"))
ZOO = "ganet_mm/model_zoo/metafile.yml"
MODELS = {model["Name"]: model for model in [*INDEX["Models"], *read_metafile()]}


@pytest.mark.parametrize("name", MODELS)
def test_the_index_says_what_get_flops_counts(name):
    metadata = MODELS[name]["Metadata"]
    tool = runpy.run_path(str(ROOT / "tools/analysis_tools/get_flops.py"))
    model = tool["build_model"](str(ROOT / MODELS[name]["Config"]), None)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    macs = tool["count_macs"](model, model.data_preprocessor.input_size)[""]
    assert metadata["Parameters"] == parameters
    assert metadata["FLOPs"] == round(macs, -6)


def test_every_model_belongs_to_a_collection():
    collections = {collection["Name"] for collection in INDEX["Collections"]}
    assert {model["In Collection"] for model in MODELS.values()} <= collections


def test_the_index_imports_the_shipped_weights():
    assert INDEX["Import"] == [ZOO]
    for model in read_metafile():
        assert (ROOT / model["Weights"]).is_file() and (ROOT / model["Config"]).is_file()


def test_config_names_are_unique():
    """mim finds a config by its base name and refuses two."""
    paths = [
        path
        for folder in ("configs", "projects")
        for path in (ROOT / folder).rglob("*.py")
        if "configs" in path.relative_to(ROOT).parts
    ]
    assert len(paths) > 3
    names = Counter(path.name for path in paths)
    assert [name for name, count in names.items() if count > 1] == []


def test_train_takes_the_flags_mim_passes():
    tool = runpy.run_path(str(ROOT / "tools/train.py"), run_name="tool")
    for option in ("--local_rank=1", "--local-rank=1"):
        args = tool["parse_args"](["config.py", "--launcher", "pytorch", option])
        assert (args.launcher, args.local_rank) == ("pytorch", 1)
    source = (ROOT / "tools/train.py").read_text(encoding="utf-8")
    assert "--gpus" not in source  # where a tool's help names it, mim passes it


def run_mim(*words: object) -> subprocess.CompletedProcess:
    pytest.importorskip("mim", reason="neither openmim nor onedl-mim is installed")
    # The script, not `python -m`: with the repository in sys.path mim takes its egg-info for an
    # installed package.
    script = Path(sysconfig.get_path("scripts")) / "mim"
    return subprocess.run(
        [script, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_mim_search_lists_the_models():
    result = run_mim("search", "ganet_mm")
    assert result.returncode == 0, result.stderr[-2000:]
    for name in MODELS:
        assert f"config id: {name}" in result.stdout


def test_mim_train_reaches_the_tool(tmp_path):
    """A stage before its time: the tool's own message comes back through mim."""
    result = run_mim(
        "train", "ganet_mm", "configs/ganet_culane.py", "--stage", "qat", "--work-dir", tmp_path
    )
    assert result.returncode != 0
    assert "the float stage has not been run" in result.stdout + result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("by_sdist", [False, True])
def test_the_wheel_carries_configs_tools_and_weights_and_nothing_stale(tmp_path, by_sdist):
    source = tmp_path / "source"
    for name in ("ganet_mm", "tools", "configs"):
        shutil.copytree(ROOT / name, source / name)
    for name in (
        "setup.py",
        "pyproject.toml",
        "MANIFEST.in",
        "README.md",
        "LICENSE",
        "model-index.yml",
    ):
        shutil.copy(ROOT / name, source / name)
    weights = [f"ganet_mm/model_zoo/stand_in{end}" for end in (".json", ".pth", "_int8.onnx")]
    for name in weights:
        (source / name).write_bytes(b"stand-in")
    stale = source / "build/lib/ganet_mm/.mim/configs/removed_since.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    if by_sdist:
        build = "import setuptools.build_meta as b, sys; b.build_sdist(sys.argv[1])"
        command = [sys.executable, "-c", build, tmp_path]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=source)
        assert result.returncode == 0, result.stderr[-3000:]
        (source,) = tmp_path.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, source]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("tools", "configs"):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"ganet_mm/.mim/{path.relative_to(ROOT).as_posix()}" in names
    assert {"ganet_mm/.mim/model-index.yml", f"ganet_mm/.mim/{ZOO}", ZOO, *weights} <= names
    assert not any("removed_since" in name or "__pycache__" in name for name in names)
