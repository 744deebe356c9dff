import importlib
import sys

import pytest

from ganet_mm.compat.import_hooks import on_import


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Name of an importable module that notes when it was executed."""
    name = "ganet_mm_hooked_module"
    (tmp_path / f"{name}.py").write_text("import builtins\nevents = list(builtins.hook_events)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("builtins.hook_events", [], raising=False)
    importlib.invalidate_caches()
    yield name
    sys.modules.pop(name, None)


def test_hooks_run_around_the_module_once(module):
    import builtins

    seen = []
    assert on_import(
        module, before=lambda: builtins.hook_events.append("before"), after=seen.append
    )
    imported = importlib.import_module(module)
    assert imported.events == ["before"]  # before() ran before the module's own code
    assert seen == [imported]
    importlib.reload(imported)
    assert builtins.hook_events == ["before"]


def test_a_module_already_loaded_is_reported():
    assert on_import("json") is False


def test_an_error_in_the_module_still_reaches_the_importer(tmp_path, monkeypatch):
    (tmp_path / "ganet_mm_broken_module.py").write_text("raise KeyError('as written')\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    seen = []
    on_import("ganet_mm_broken_module", after=seen.append)
    with pytest.raises(KeyError, match="as written"):
        importlib.import_module("ganet_mm_broken_module")
    assert seen == []
