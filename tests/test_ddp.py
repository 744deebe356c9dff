"""Two processes on the CPU do what one does with the doubled batch.

This file is also the program that the two processes run: ``python tests/test_ddp.py FOLDER`` under
torchrun computes one part of everything below and writes it to ``FOLDER/rank<i>.pth``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_rank
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS as ROOT_WRAPPERS
from mmengine.registry import init_default_scope
from torch import nn

import ganet_mm  # noqa: F401
from ganet_mm.engine.stages import stage_config
from ganet_mm.quantization.distributed import QuantLaneDetectorDDP
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)
PROCESSES = 2
BATCH = 4


def build(stage: str) -> nn.Module:
    """A stage's model at a small input; the same weights whenever and wherever it is built."""
    cfg = Config.fromfile("configs/ganet_culane.py")
    cfg.model.data_preprocessor.input_size = INPUT
    cfg.model.neck.input_size = INPUT
    init_default_scope("ganet_mm")
    torch.manual_seed(0)
    return MODELS.build(stage_config(cfg, stage).model)


def batch(start: int, end: int) -> dict:
    """Frames ``start`` to ``end`` of a batch of four pictures of noise.

    All have the same lanes. The losses are means over the keypoints of one process, so the mean
    over two processes is the mean over all pictures only where both hold equally many.
    """
    pictures = torch.randint(
        0, 256, (BATCH, 3, *INPUT), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    y = np.linspace(95, 10, 9, dtype=np.float32)
    lanes = [np.stack([np.full_like(y, 50), y], 1), np.stack([80 + y / 2, y], 1)]
    return dict(
        inputs=list(pictures[start:end]),
        data_samples=[LaneDataSample(gt_lanes=lanes) for _ in range(start, end)],
    )


def freeze_batch_norm(model: nn.Module) -> nn.Module:
    """A batch norm in training mode has a process's own pictures for its statistics."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


def losses_and_gradients(model: nn.Module, data: dict) -> tuple[dict, dict]:
    core = getattr(model, "module", model)
    losses = model(**core.data_preprocessor(data, True), mode="loss")
    sum(losses.values()).backward()
    gradients = {name: parameter.grad for name, parameter in core.named_parameters()}
    return {name: loss.detach() for name, loss in losses.items()}, gradients


def run_process(folder: Path) -> None:
    """One process's part."""
    torch.distributed.init_process_group("gloo")
    share = BATCH // PROCESSES
    data = batch(get_rank() * share, (get_rank() + 1) * share)

    detector = MMDistributedDataParallel(freeze_batch_norm(build("float")))
    losses, gradients = losses_and_gradients(detector, data)
    for loss in losses.values():
        all_reduce(loss, op="mean")

    calibrated = QuantLaneDetectorDDP(build("calibration").eval())
    with torch.no_grad():
        maps = calibrated.calibrate_step(data)

    trained = QuantLaneDetectorDDP(build("qat").train())
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.01)
    trained.train_step(data, OptimWrapper(optimizer))
    before = {name: value.clone() for name, value in trained.module.state_dict().items()}
    trained.sync_qparams("loss")
    torch.save(
        dict(
            losses=losses,
            gradients=gradients,
            maps=maps,
            calibrated=calibrated.module.state_dict(),
            parameters=[name for name, _ in trained.module.named_parameters()],
            before=before,
            trained=trained.module.state_dict(),
        ),
        folder / f"rank{get_rank()}.pth",
    )
    torch.distributed.destroy_process_group()


def torchrun_command() -> list[str]:
    return [
        sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone",
        f"--nproc_per_node={PROCESSES}",
    ]  # fmt: skip


def torchrun_env() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def torchrun(*words: object) -> str:
    """Runs a program in two processes; what they printed."""
    result = subprocess.run(
        [*torchrun_command(), *map(str, words)], capture_output=True, text=True, env=torchrun_env()
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict]:
    """What the two processes found."""
    folder = tmp_path_factory.mktemp("ddp")
    torchrun(__file__, folder)
    return [torch.load(folder / f"rank{rank}.pth", weights_only=True) for rank in range(PROCESSES)]


def test_losses_and_gradients_are_those_of_one_process_with_the_doubled_batch(ranks):
    expected, expected_gradients = losses_and_gradients(
        freeze_batch_norm(build("float")), batch(0, BATCH)
    )
    for rank in ranks:
        assert rank["losses"].keys() == expected.keys()
        for name, loss in expected.items():
            torch.testing.assert_close(rank["losses"][name], loss, rtol=1e-5, atol=0)

        for name, gradient in expected_gradients.items():
            scale = gradient.abs().max()
            torch.testing.assert_close(
                rank["gradients"][name], gradient, rtol=0, atol=float(1e-4 * scale + 1e-9), msg=name
            )


def test_calibration_finds_the_ranges_of_one_process_that_saw_all_batches(ranks):
    model = build("calibration").eval()
    share = BATCH // PROCESSES
    with torch.no_grad():
        maps = [
            model.calibrate_step(batch(start, start + share)) for start in range(0, BATCH, share)
        ]
    expected = model.state_dict()
    for rank, own_maps in zip(ranks, maps, strict=True):
        for name, value in expected.items():
            assert torch.equal(rank["calibrated"][name], value), name
        for found, wanted in zip(rank["maps"], own_maps, strict=True):
            assert found.shape == wanted.shape


def test_qat_leaves_one_network_in_all_processes(ranks):
    first, second = (rank["trained"] for rank in ranks)
    for name in first:
        assert torch.equal(first[name], second[name]), name
    assert all(torch.equal(first[name], ranks[0]["before"][name]) for name in first)
    different = [
        name
        for name, value in ranks[0]["before"].items()
        if not torch.equal(value, ranks[1]["before"][name])
    ]
    assert any(name.endswith("running_mean") for name in different)
    assert any(name.endswith("max_val") for name in different)
    # DDP keeps the weights equal by itself
    assert not set(ranks[0]["parameters"]).intersection(different)


def test_the_wrapper_is_found_by_the_name_the_config_uses():
    """mmengine looks it up without the default scope, so the name needs the package's prefix."""
    assert ROOT_WRAPPERS.get("ganet_mm.QuantLaneDetectorDDP") is QuantLaneDetectorDDP
    assert is_model_wrapper(QuantLaneDetectorDDP.__new__(QuantLaneDetectorDDP))


@pytest.fixture
def stubs(tmp_path) -> dict[str, str]:
    """An environment where python prints its arguments and slurm is one machine of two."""
    programs = {
        "python": 'echo "$@"',
        "scontrol": "echo first-node; echo second-node",
        "srun": """
            for word in "$@"; do [ "$word" = bash ] && break; echo "srun $word"; shift; done
            export SLURM_NNODES=2 SLURM_NODEID=1 SLURM_JOB_NODELIST=nodes
            exec "$@"
        """,
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


def run_script(*words: str, env: dict[str, str]) -> str:
    result = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    return result.stdout


def test_dist_train_starts_torchrun(stubs):
    printed = run_script("tools/dist_train.sh", "a.py", "4", "--stage", "qat", env=stubs)
    assert printed.split() == [
        "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4",
        "tools/train.py", "a.py", "--launcher", "pytorch", "--stage", "qat",
    ]  # fmt: skip


def test_dist_train_on_several_machines(stubs):
    several = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "first"}
    printed = run_script("tools/dist_train.sh", "a.py", "8", env=stubs | several)
    assert "--nnodes=2 --node_rank=1 --master_addr=first --master_port=29500" in printed
    del several["MASTER_ADDR"]
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_script("tools/dist_train.sh", "a.py", "8", env=stubs | several)
    assert "set MASTER_ADDR" in failed.value.stderr


def test_slurm_train_starts_torchrun_on_every_machine(stubs):
    env = stubs | {"NODES": "2", "GPUS_PER_NODE": "4"}
    words = ("part", "job", "a.py", "--cfg-options", "x=1 2")
    printed = run_script("tools/slurm_train.sh", *words, env=env)
    for option in ("--partition=part", "--job-name=job", "--nodes=2", "--gres=gpu:4"):
        assert f"srun {option}\n" in printed
    assert printed.splitlines()[-1] == (
        "-m torch.distributed.run --nnodes=2 --node_rank=1 --master_addr=first-node "
        "--master_port=29500 --nproc_per_node=4 tools/train.py a.py --launcher pytorch "
        "--cfg-options x=1 2"
    )


def run(tool: str, *words: object) -> None:
    """A tool in one process."""
    command = [sys.executable, "-W", "ignore", f"tools/{tool}", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """Frames drawn and packed, and the --cfg-options that make SynLane's config use them."""
    folder = tmp_path_factory.mktemp("data")
    frames = folder / "frames"
    run(
        "dataset_converters/make_synlane.py", "--out", frames, "--train", 8, "--val", 2,
        "--test", 9, "--workers", 1,
    )  # fmt: skip
    options = []
    for split in ("train", "val", "test"):
        lmdb = folder / f"{split}_lmdb"
        run(
            "dataset_converters/pack_culane.py", "--data-root", frames, "--split", split,
            "--out", lmdb,
        )  # fmt: skip
        options += [
            f"{split}_dataloader.dataset.data_root={lmdb}",
            f"{split}_dataloader.batch_size=1",
            f"{split}_dataloader.num_workers=0",
            f"{split}_dataloader.persistent_workers=False",
        ]
    calibrate = "stages.calibration.test_cfg.calibrate_dataloader"
    return [
        *options,
        f"{calibrate}.dataset.data_root={folder / 'train_lmdb'}",
        f"{calibrate}.batch_size=2",
        "stages.calibration.test_cfg.calibrate_steps=2",
    ]


CONFIG = "configs/ganet_synlane.py"


@pytest.mark.slow
def test_the_tools_train_every_stage_and_score_as_one_process_does(tmp_path, options):
    """Also that all of it starts from the command line: gloo, wrapper, no SyncBN."""
    options = [*options, "train_cfg.max_epochs=1", "stages.qat.train_cfg.max_epochs=1"]
    work = tmp_path / "work"
    for stage in ("float", "calibration", "qat"):
        torchrun(
            "tools/train.py", CONFIG, "--launcher", "pytorch", "--stage", stage,
            "--work-dir", work, "--cfg-options", *options,
        )  # fmt: skip
        report = (work / stage / "report.md").read_text(encoding="utf-8")
        assert "2 processes: the frames below are of the first one's share." in report
        # the scores are of both shares
        assert re.search(r"^\| all \| 2 \|", report, re.MULTILINE)
    (checkpoint,) = (work / "qat").glob("best_*.pth")
    words = ["tools/test.py", CONFIG, checkpoint, "--quant", "--work-dir", work]
    # kpt_thr low enough that an untrained network finds lanes
    found = ["model.head.decoder.kpt_thr=0.05", "model.head.decoder.min_points=2"]
    torchrun(
        *words, "--launcher", "pytorch", "--out", tmp_path / "two.json",
        "--lines-dir", tmp_path / "two", "--cfg-options", *options, *found,
    )  # fmt: skip
    run(
        words[0].removeprefix("tools/"), *words[1:], "--out", tmp_path / "one.json",
        "--lines-dir", tmp_path / "one", "--cfg-options", *options, *found,
    )  # fmt: skip
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert "culane/F1@50_night" in one
    lanes = {path.relative_to(tmp_path / "one"): path for path in tmp_path.glob("one/**/*.txt")}
    assert len(lanes) == 9
    assert any(path.stat().st_size for path in lanes.values())
    for name, path in lanes.items():
        assert (tmp_path / "two" / name).read_text() == path.read_text()


def children(process: int) -> list[int]:
    """The process ids of a process's children."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True
    )
    return [int(word) for word in listed.stdout.split()]


def logged_losses(stage: Path) -> dict[int, float]:
    """Iteration: loss, out of all the runs of a stage; a later run's replaces an earlier's."""
    losses = {}
    for log in sorted(stage.glob("*/vis_data/scalars.json")):
        entries = map(json.loads, log.read_text().splitlines())
        losses |= {entry["step"]: entry["loss"] for entry in entries if "loss" in entry}
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["float", "qat"])
def test_a_killed_run_goes_on_with_the_same_curve(tmp_path, options, stage):
    """Bit for bit, where nothing random is in the pipeline: mmengine saves no generator's state."""
    options = [
        *options, "randomness.seed=0", "default_hooks.logger.interval=1",
        "log_processor.window_size=1", "train_cfg.max_epochs=3",
        "stages.qat.train_cfg.max_epochs=3",
        "train_dataloader.dataset.pipeline.2.prob=0", "train_dataloader.dataset.pipeline.4.prob=0",
    ]  # fmt: skip
    words = [
        "tools/train.py", CONFIG, "--launcher", "pytorch", "--stage", stage, "--cfg-options",
        *options,
    ]  # fmt: skip
    if stage == "qat":
        torch.manual_seed(0)
        cfg = Config.fromfile(CONFIG)
        init_default_scope("ganet_mm")
        torch.save({"state_dict": MODELS.build(cfg.model).state_dict()}, tmp_path / "start.pth")
        words[2:2] = ["--load-from", tmp_path / "start.pth"]
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    torchrun(*words[:2], "--work-dir", whole, *words[2:])
    command = [
        *torchrun_command(), *map(str, words[:2]), "--work-dir", str(killed), *map(str, words[2:])
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=torchrun_env(),
        start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if "Epoch(train) [2][2/4]" in line:
            break
    else:
        pytest.fail("the second epoch never began")
    for child in children(process.pid):  # torchrun starts each in a session of its own
        os.kill(child, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    printed = torchrun(*words[:2], "--work-dir", killed, "--resume", *words[2:])
    assert "resumed epoch: 1" in printed

    losses, expected = logged_losses(killed / stage), logged_losses(whole / stage)
    assert sorted(losses) == list(range(1, 13)) and losses == expected
    found, wanted = (
        torch.load(folder / stage / "epoch_3.pth", weights_only=True)["state_dict"]
        for folder in (killed, whole)
    )
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name
    first, second = (
        json.loads((folder / stage / "report/report.json").read_text())
        for folder in (killed, whole)
    )
    assert first == second


if __name__ == "__main__":
    run_process(Path(sys.argv[1]))
