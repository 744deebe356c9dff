"""Reading a config as a command line names it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

# What a config may set at its top level and yet leave out: the Runner's arguments, what it reads
# from the config besides them, and what this package reads.
_OPTIONAL = {
    *inspect.signature(Runner.__init__).parameters,
    *("activation_checkpointing", "compile", "efficient_conv_bn_eval"),
    *("find_unused_parameters", "model_wrapper_cfg", "sync_bn"),
    *("frame_size", "stages"),
} - {"self", "cfg"}


def read_config(path: str, options: dict | None = None) -> Config:
    """A config file with the overrides of ``--cfg-options``.

    Args:
        path: A ``.py``, ``.yml``, ``.yaml`` or ``.json`` file.
        options: Values by dotted key, e.g. ``{"train_cfg.max_epochs": 3}``.

    Raises:
        FileNotFoundError: no such file, or none that it builds on.
        ValueError: the file is none of these kinds or is no valid config; an option that does not
            fit, see :func:`override`.
    """
    kinds = (".py", ".yml", ".yaml", ".json")
    if Path(path).suffix not in kinds:
        raise ValueError(
            f"{path} is no config ({', '.join(kinds)}): the config comes first, then the model"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"config {path} does not exist; the package's lie in configs/")
    try:
        cfg = Config.fromfile(path)
    except FileNotFoundError:
        raise
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error
    except Exception as error:  # a config is a program: it can fail in any way
        text = " ".join(str(error).split())
        raise ValueError(f"{path} is no valid config: {type(error).__name__}: {text}") from error
    override(cfg, options or {})
    return cfg


def override(cfg: Config, options: dict) -> None:
    """Sets values of a config by dotted key, in place.

    Raises:
        ValueError: an option's first key is not in the config and nothing would read it, or an
            option leads through something that has no keys.
    """
    for option in options:
        first = option.split(".")[0]
        if first not in cfg and first not in _OPTIONAL:
            near = get_close_matches(first, [*cfg, *_OPTIONAL], n=1)
            hint = f"; is {near[0]} meant?" if near else ""
            raise ValueError(f"--cfg-options {option}: {_name(cfg)} has no {first}{hint}")
    try:
        cfg.merge_from_dict(options)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"--cfg-options {', '.join(options)}: does not fit {_name(cfg)} ({error})"
        ) from error


@contextmanager
def config_at_fault(cfg: Config) -> Iterator[None]:
    """Inside, what a class says of a setting that it does not know is an error of the config.

    Raises:
        ValueError: a ``type`` that is not registered, or settings that its class has no arguments
            for, or too few of them; names the config file.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        text = str(error.args[0]) if error.args else ""
        if re.search(r"__init__\(\) (got an unexpected|missing)|is not in the \S+ registry", text):
            raise ValueError(f"{_name(cfg)}, or --cfg-options: {text}") from error
        raise


def _name(cfg: Config) -> str:
    return cfg.filename or "the config"
