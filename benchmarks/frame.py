"""From a JPEG file to lanes: milliseconds a frame, step by step, for every way to run the network.

    python benchmarks/frame.py CONFIG --float BEST.pth --quantized QAT.pth [--quick]

The pictures are those of the config's test set, written to a folder as JPEG files. Each way takes
some frames in turn, round by round, so that a machine that slows down slows all of them down;
figures are medians. "stream" is a video: while the network works on one frame another thread
decodes and prepares the next. `--peer CONFIG` adds the float network of another config (random
weights, network alone). Files that are exported are kept in `--work-dir`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch
from measuring import machine
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from ganet_mm.apis.picture_pipeline import PicturePipeline
from ganet_mm.datasets.pictures import decode_image
from ganet_mm.deploy.export_model import export_checkpoint
from ganet_mm.deploy.runtimes import OnnxRuntime, OpenVinoRuntime
from ganet_mm.engine.checkpoints import build_model
from ganet_mm.registry import DATASETS, MODELS

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("decode", "prepare", "network", "lanes")
Network = Callable[[np.ndarray], tuple]


@dataclass
class Way:
    """One way to run a network, and what was measured of it.

    Attributes:
        name: For the table.
        run: Network input float32 (B, 3, H, W) to the three maps.
        alone: Only the network is measured.
        batch: Frames at once, where ``alone``.
        steps: Milliseconds a frame of each of :data:`STEPS`, a row a frame.
        stream: Frames a second of each round.
    """

    name: str
    run: Network
    alone: bool = False
    batch: int = 1
    steps: list[list[float]] = field(default_factory=list)
    stream: list[float] = field(default_factory=list)

    @property
    def network(self) -> float:
        """Median milliseconds a frame of the network."""
        return float(np.median(self.steps, axis=0)[STEPS.index("network")])


class Frames:
    """A config's road from a file to lanes around any network."""

    def __init__(
        self,
        cfg: Config,
        folder: Path,
        count: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        self.paths = []
        for index in range(min(count, len(dataset))):
            path = folder / f"{index:04d}.jpg"
            path.write_bytes(dataset.get_data_info(index)["img_bytes"])
            self.paths.append(path)
        self.pipeline = PicturePipeline(cfg.test_dataloader.dataset.pipeline)
        self.preprocessor = MODELS.build(cfg.model.data_preprocessor)
        self.head = MODELS.build(cfg.model.head)

    def decode(self, path: Path) -> np.ndarray:
        return decode_image(path.read_bytes())

    def prepare(self, picture: np.ndarray) -> tuple[np.ndarray, list]:
        batch = self.preprocessor(pseudo_collate([self.pipeline(picture)]))
        return batch["inputs"].numpy(), batch["data_samples"]

    def lanes(self, maps: tuple, samples: list) -> list:
        return self.head.predict_by_feat(*maps, samples)

    def measure(self, way: Way, paths: list[Path]) -> None:
        """One frame after another, each step timed."""
        for path in paths:
            marks = [self.clock()]
            picture = self.decode(path)
            marks.append(self.clock())
            inputs, samples = self.prepare(picture)
            marks.append(self.clock())
            maps = way.run(inputs)
            marks.append(self.clock())
            self.lanes(maps, samples)
            marks.append(self.clock())
            way.steps.append([1e3 * step for step in np.diff(marks)])

    def measure_stream(self, way: Way, paths: list[Path]) -> None:
        """All frames, the next one prepared by another thread meanwhile."""
        start = time.perf_counter()
        # One thread of torch's there: two pools that wait for each other by spinning would take
        # both cores from the network.
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as reader:
            following = reader.submit(lambda: self.prepare(self.decode(paths[0])))
            for path in [*paths[1:], None]:
                inputs, samples = following.result()
                if path is not None:
                    following = reader.submit(lambda path=path: self.prepare(self.decode(path)))
                self.lanes(way.run(inputs), samples)
        way.stream.append(len(paths) / (time.perf_counter() - start))

    def measure_alone(self, way: Way, rounds: int) -> None:
        inputs, _ = self.prepare(self.decode(self.paths[0]))
        inputs = np.repeat(inputs, way.batch, axis=0)
        for _ in range(rounds):
            start = self.clock()
            way.run(inputs)
            milliseconds = 1e3 * (self.clock() - start) / way.batch
            way.steps.append([0.0, 0.0, milliseconds, 0.0])


def torch_network(
    model: torch.nn.Module, device: str, channels_last: bool = False, half: bool = False
) -> Network:
    """The float model's maps as numpy arrays; on a GPU with both transfers."""
    layout = torch.channels_last if channels_last else torch.contiguous_format

    @torch.inference_mode()
    def run(inputs: np.ndarray) -> tuple:
        x = torch.from_numpy(inputs).to(device).contiguous(memory_format=layout)
        with torch.autocast("cuda", enabled=half):
            maps = model(x, mode="tensor")
        return tuple(part.float().cpu() for part in maps)

    return run


def torch_ways(cfg: Config, checkpoint: str, device: str, compile_too: bool) -> Iterator[Way]:
    def model() -> torch.nn.Module:
        return build_model(cfg, checkpoint, device=device)

    where = "" if device == "cpu" else f" {device}"
    yield Way(f"torch{where} eager", torch_network(model(), device))
    last = model().to(memory_format=torch.channels_last)
    yield Way(f"torch{where} channels-last", torch_network(last, device, channels_last=True))
    if device != "cpu":
        yield Way(
            f"torch{where} channels-last, AMP",
            torch_network(last, device, channels_last=True, half=True),
        )
        for half in (False, True):
            run = torch_network(last, device, channels_last=True, half=half)
            name = f"torch{where} channels-last{', AMP' if half else ''}, batch 64"
            yield Way(name, run, alone=True, batch=64)
    if compile_too:
        torch._dynamo.reset()
        run = torch_network(torch.compile(model()), device)
        try:
            run(np.zeros((1, 3, *cfg.model.data_preprocessor.input_size), np.float32))
        except Exception as error:  # no compiler, or one that torch cannot use
            text = str(error).strip().split("\n", 1)[0]
            Console().print(f"torch.compile does not work here: {text}")
        else:
            yield Way(f"torch{where} compile", run)


def runtime_ways(
    kind: str, path: Path, threads: int, prefix: str = "", alone: bool = False
) -> Iterator[Way]:
    yield Way(f"{prefix}onnxruntime {kind}", OnnxRuntime(path, threads).run, alone)
    if importlib.util.find_spec("openvino") is not None:
        yield Way(f"{prefix}OpenVINO {kind}", OpenVinoRuntime(path, threads).run, alone)


def export(cfg: Config, checkpoint: str | Path, out: Path) -> Path:
    """The exported file; kept where it is newer than the checkpoint."""
    if not out.is_file() or out.stat().st_mtime < Path(checkpoint).stat().st_mtime:
        export_checkpoint(cfg, checkpoint, out, frames=1)
    return out


def untrained(config: str, cfg: Config, folder: Path) -> Path:
    """A checkpoint of a config's model with random weights."""
    path = folder / f"{Path(config).stem}_random.pth"
    if not path.is_file():
        torch.manual_seed(0)
        torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), path)
    return path


def peer_ways(args: argparse.Namespace, own: Config, threads: int, folder: Path) -> Iterator[Way]:
    for config in args.peer:
        size = tuple(own.model.data_preprocessor.input_size)
        cfg = Config.fromfile(config)
        for part in PARTS_WITH_SIZE:
            cfg.model[part].input_size = size
        cfg.test_dataloader.dataset = own.test_dataloader.dataset
        checkpoint = untrained(config, cfg, folder)
        name = f"{cfg.model.backbone.type.split('.')[-1]}-{cfg.model.backbone.get('depth', '')}: "
        model = build_model(cfg, checkpoint)
        yield Way(f"{name}torch eager", torch_network(model, "cpu"), alone=True)
        file = export(cfg, checkpoint, folder / f"{checkpoint.stem}.onnx")
        yield from runtime_ways("float", file, threads, name, alone=True)


PARTS_WITH_SIZE = ("data_preprocessor", "neck")


def size_of(cfg: Config, shape: tuple[int, int]) -> str:
    """Parameters and multiply-accumulates of a config's float model."""
    counter = _get_flops()
    for part in PARTS_WITH_SIZE:
        cfg.model[part].input_size = shape
    model = MODELS.build(cfg.model).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    macs = counter.count_macs(model, shape)[""]
    return f"{parameters / 1e6:.2f} M parameters, {macs / 1e9:.2f} GMAC"


def _get_flops() -> ModuleType:
    path = ROOT / "tools" / "analysis_tools" / "get_flops.py"
    spec = importlib.util.spec_from_file_location("get_flops", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def add_rows(table: Table, ways: list[Way], threads: int) -> None:
    eager = ways[0].network
    floats = [way.network for way in ways if not way.alone and "int8" not in way.name]
    for way in ways:
        medians = np.median(way.steps, axis=0)
        cells = ["–" if way.alone and not value else f"{value:.2f}" for value in medians]
        total = "–" if way.alone else f"{np.median(np.sum(way.steps, axis=1)):.2f}"
        stream = f"{np.median(way.stream):.1f}" if way.stream else "–"
        ratios = [f"{base / way.network:.2f}" for base in (eager, min(floats))]
        table.add_row(str(threads), way.name, *cells, total, stream, *ratios)
    table.add_section()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("--float", required=True, help="float checkpoint (.pth)")
    parser.add_argument("--quantized", required=True, help="calibrated or QAT checkpoint (.pth)")
    parser.add_argument("--peer", nargs="*", default=[], help="configs of other float networks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--frames", type=int, default=8, help="frames of one turn")
    parser.add_argument("--device", default="cpu", help="cuda: adds torch's ways on the GPU")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count this process's processor time, for a machine that others use; with --threads 1."
        " The stream stays by the clock",
    )
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--work-dir", type=Path, help="keeps exported files; default: none")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 4 frames")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.frames = 3, 4
    return args


def main() -> None:
    args = parse_args()
    init_default_scope("ganet_mm")
    cfg = Config.fromfile(args.config)
    console = Console(width=max(130, Console().width))
    shape = tuple(cfg.model.data_preprocessor.input_size)
    unit = "ms of the processor" if args.cpu_time else "ms"
    table = Table(
        title=f"frame to lanes, {shape[0]}×{shape[1]}, median {unit} a frame; frames/s of a stream"
    )
    columns = ("threads", "way", *STEPS, "frame", "frames/s", "× eager", "× float")
    for column in columns:
        table.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        stem = Path(args.config).stem
        files = {
            "float": export(cfg, args.float, folder / f"{stem}_float.onnx"),
            "int8": export(cfg, args.quantized, folder / f"{stem}_int8.onnx"),
        }
        clock = time.process_time if args.cpu_time else time.perf_counter
        frames = Frames(cfg, Path(temporary), args.frames, clock)
        paths = [frames.paths[index % len(frames.paths)] for index in range(args.frames)]
        for threads in args.threads:
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            ways = list(torch_ways(cfg, args.float, "cpu", not args.no_compile))
            for kind, path in files.items():
                ways += runtime_ways(kind, path, threads)
            if args.device != "cpu":
                ways += torch_ways(cfg, args.float, args.device, not args.no_compile)
            ways += peer_ways(args, cfg, threads, folder)
            for turn in range(args.rounds + 1):
                for way in ways:
                    # Beside a runtime torch only prepares: its threads would wait by spinning.
                    torch.set_num_threads(threads if "torch" in way.name else 1)
                    if way.alone:
                        frames.measure_alone(way, args.frames)
                    else:
                        frames.measure(way, paths)
                        frames.measure_stream(way, paths)
                    if turn == 0:  # warms up
                        way.steps.clear(), way.stream.clear()
            add_rows(table, ways, threads)
    console.print(table)
    console.print(f"{args.config}: {size_of(cfg, shape)}")
    for peer in args.peer:
        console.print(f"{peer}: {size_of(Config.fromfile(peer), shape)}")
    console.print(machine("onnxruntime", "openvino", "opencv-python"), soft_wrap=True)


if __name__ == "__main__":
    os.chdir(ROOT)  # configs name their data from there
    main()
