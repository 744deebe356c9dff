"""Run a function right before and right after another package's module is executed.

A measure that must surround an import of mmrazor then needs no eager import: ``import ganet_mm``
stays cheap for a float run, and the measure is in force whoever imports mmrazor later.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType


class _HookedLoader(importlib.abc.Loader):
    """The module's own loader with ``before()`` and ``after(module)`` around its execution."""

    def __init__(self, loader, before, after) -> None:
        self.loader, self.before, self.after = loader, before, after

    def __getattr__(self, name: str):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self.before:
            self.before()
        self.loader.exec_module(module)
        if self.after:
            self.after(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.hooks: dict[str, tuple[Callable | None, Callable | None]] = {}

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.hooks:
            return None
        before, after = self.hooks.pop(fullname)  # popped first: the search below must not recurse
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _HookedLoader(spec.loader, before, after)
        return spec


_finder = _Finder()


def on_import(
    name: str,
    before: Callable[[], None] | None = None,
    after: Callable[[ModuleType], None] | None = None,
) -> bool:
    """Registers functions around the execution of module ``name``.

    Args:
        name: Full dotted name.
        before: Called right before the module's code runs.
        after: Called with the executed module.

    Returns:
        False if the module is loaded already, so that the hook can never run.
    """
    if name in sys.modules:
        return False
    _finder.hooks[name] = (before, after)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    return True
