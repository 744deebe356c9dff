"""Where a training step's time goes, float and with quantization in the loop.

    python benchmarks/training.py configs/ganet_culane.py --data-root TRAIN_LMDB [--quick]

Every way trains on the config's own pipeline, loaded by two workers, and takes some steps in turn,
round by round; figures are medians. Peak memory is that of a process of its own (Linux).
`--operators N` adds torch's profile of the float and the QAT step.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from measuring import machine, ratio
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.table import Table
from torch.ao.quantization import disable_observer
from torch.profiler import ProfilerActivity, profile

from ganet_mm.engine.stages import stage_config
from ganet_mm.registry import MODELS

PHASES = ("data", "prepare", "forward", "targets", "loss", "backward", "update")
WAYS = (
    "float",
    "float, channels-last",
    "float, AMP",
    "QAT",
    "QAT, torch's modules",
    "QAT, AMP",
    "QAT, channels-last",
    "QAT, observers off",
)


class Trainer:
    """One way to train: a model, its optimizer, and a step whose phases are timed."""

    def __init__(
        self, cfg: Config, way: str, device: str, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.clock = clock
        cfg = stage_config(cfg, "qat" if "QAT" in way else "float")
        torch.manual_seed(0)
        if "torch's" in way:
            cfg.model.quantizer.global_qconfig.a_fake_quant.type = "mmrazor.FakeQuantize"
        self.model = MODELS.build(cfg.model).to(device).train()
        if "torch's" in way:
            for module in self.model.modules():  # off again what LaneQuantizer puts on them
                if hasattr(module, "weight_fake_quant"):
                    vars(module).pop("forward", None)
        self.memory_format = torch.contiguous_format
        if "channels-last" in way:
            self.memory_format = torch.channels_last
            self.model.to(memory_format=torch.channels_last)
        if "observers off" in way:
            self.model.apply(disable_observer)
        architecture = getattr(self.model, "architecture", self.model)
        self.head = architecture.head
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)
        self.device = device
        self.amp = "AMP" in way

    def step(self, batches: Iterator[dict]) -> list[float]:
        """One step; seconds of each of :data:`PHASES`."""
        marks = [self.clock()]

        def mark() -> None:
            if self.device != "cpu":
                torch.cuda.synchronize()
            marks.append(self.clock())

        batch = next(batches)
        mark()
        batch = self.model.data_preprocessor(batch, True)
        inputs = batch["inputs"].contiguous(memory_format=self.memory_format)
        mark()
        kind = self.device.split(":")[0]
        dtype = torch.bfloat16 if kind == "cpu" else torch.float16
        with torch.autocast(kind, dtype, enabled=self.amp):
            maps = self.model(inputs, batch["data_samples"], mode="tensor")
        mark()
        lanes = [sample.gt_lanes for sample in batch["data_samples"]]
        targets = self.head.target.get_targets(lanes, tuple(inputs.shape[-2:]), self.device)
        mark()
        losses = self.head.losses(*(part.float() for part in maps), targets)
        loss = sum(losses.values())
        mark()
        loss.backward()
        mark()
        self.optimizer.step()
        self.optimizer.zero_grad()
        mark()
        return list(np.diff(marks))


def train_batches(cfg: Config, args: argparse.Namespace) -> Iterator[dict]:
    """Batches of the config's training set without end."""
    dataset = cfg.train_dataloader.dataset
    if args.data_root:
        dataset.data_root = args.data_root
    loader = Runner.build_dataloader(
        dict(
            batch_size=args.batch,
            num_workers=args.workers,
            persistent_workers=args.workers > 0,
            drop_last=True,
            sampler=dict(type="InfiniteSampler", shuffle=True),
            dataset=dataset,
            collate_fn=dict(type="pseudo_collate"),
        )
    )
    return iter(loader)


def peak_memory(config: str, args: argparse.Namespace, way: str) -> float:
    """GB of a process that trains two steps one way, its workers not counted."""
    args.workers = 0
    cfg = _load(config)
    torch.set_num_threads(args.threads)
    batches = train_batches(cfg, args)
    trainer = Trainer(cfg, way, args.device)
    for _ in range(2):
        trainer.step(batches)
    if args.device != "cpu":
        return torch.cuda.max_memory_allocated() / 1e9
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)[1]) * 1024 / 1e9


def _load(config: str) -> Config:
    init_default_scope("ganet_mm")
    return Config.fromfile(config)


def in_own_process(function: Callable, *arguments):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def print_operators(trainer: Trainer, batches: Iterator[dict], title: str, count: int) -> None:
    activities = [ProfilerActivity.CPU]
    if trainer.device != "cpu":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        trainer.step(batches)
    key = "self_cpu_time_total" if trainer.device == "cpu" else "self_device_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -getattr(event, key))
    total = sum(getattr(event, key) for event in events)
    table = Table(title=f"operators of the {title} step")
    for column in ("operator", "calls", "ms", "share"):
        table.add_column(column, justify="left" if column == "operator" else "right")
    for event in events[:count]:
        own = getattr(event, key)
        table.add_row(event.key, str(event.count), f"{own / 1e3:.1f}", f"{own / max(total, 1):.1%}")
    Console().print(table)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("--data-root", help="an LMDB to train on; default: the config's")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count this process's processor time, for a machine that others use; with --threads 1",
    )
    parser.add_argument("--operators", type=int, default=0, help="of torch's profile to list")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--quick", action="store_true", help="3 rounds, no memory")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.no_memory = 3, True
    return args


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    cfg = _load(args.config)
    batches = train_batches(cfg, args)
    clock = time.process_time if args.cpu_time else time.perf_counter
    trainers = {way: Trainer(cfg, way, args.device, clock) for way in args.ways}
    seconds: dict[str, list[list[float]]] = {way: [] for way in args.ways}
    for turn in range(args.rounds + 1):
        for way, trainer in trainers.items():
            steps = [trainer.step(batches) for _ in range(2)]
            if turn > 0:  # the first round warms up
                seconds[way] += steps

    shape = cfg.model.data_preprocessor.input_size
    console = Console(width=max(130, Console().width))
    unit = "ms of the processor" if args.cpu_time else "ms"
    table = Table(title=f"a training step of {args.batch} at {shape[0]}×{shape[1]}, median {unit}")
    table.add_column("way", no_wrap=True)
    columns = (*PHASES, "step", "frames/s", "× float", "GB")
    for column in columns:
        table.add_column(column, justify="right")
    totals = {way: np.sum(values, axis=1) for way, values in seconds.items()}
    for way, values in seconds.items():
        memory = (
            "–" if args.no_memory else f"{in_own_process(peak_memory, args.config, args, way):.2f}"
        )
        table.add_row(
            way,
            *(f"{1e3 * value:.1f}" for value in np.median(values, axis=0)),
            f"{1e3 * np.median(totals[way]):.0f}",
            f"{args.batch / np.median(totals[way]):.2f}",
            f"{ratio(totals[way], totals['float']):.2f}" if "float" in totals else "–",
            memory,
        )
    console.print(table)
    if args.operators:
        for way in ("float", "QAT"):
            if way in trainers:
                # One batch again and again: the workers would take turns with the operators.
                print_operators(trainers[way], repeat(next(batches)), way, args.operators)
    console.print(machine("mmrazor"), soft_wrap=True)


if __name__ == "__main__":
    main()
