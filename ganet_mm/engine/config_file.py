"""Reading a config as a command line names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config


def read_config(path: str, options: dict | None = None) -> Config:
    """A config file with the overrides of ``--cfg-options``.

    Args:
        path: A ``.py``, ``.yml``, ``.yaml`` or ``.json`` file.
        options: Values by dotted key, e.g. ``{"train_cfg.max_epochs": 3}``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is none of these kinds, is no valid config, or an option leads through
            something that has no keys.
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
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error
    try:
        cfg.merge_from_dict(options or {})
    except (AttributeError, KeyError, TypeError) as error:
        named = ", ".join(options or {})
        raise ValueError(f"--cfg-options {named}: does not fit {path} ({error})") from error
    return cfg


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
            raise ValueError(f"{cfg.filename}, or --cfg-options: {text}") from error
        raise
