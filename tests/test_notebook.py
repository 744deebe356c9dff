"""The notebook runs from the first cell to the last, and is stored without outputs."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs/tutorial.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def printed(cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def pictures(cell) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_it_is_stored_without_outputs_and_machine_paths(notebook):
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count] == []
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp|mnt|opt|Users|usr)/", text) == []
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_runs(notebook, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    client = NotebookClient(
        notebook,
        timeout=300,
        startup_timeout=300,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    client.execute()
    drawn, lanes, maps, apart, speed = [c for c in notebook.cells if c.cell_type == "code"]
    assert "(590, 1640, 3)" in drawn.outputs[0]["data"]["text/plain"]
    annotated, found = map(int, re.search(r"(\d+) lanes annotated, (\d+)", printed(lanes)).groups())
    assert annotated > 1 and found > 0
    assert pictures(lanes) == pictures(maps) == 1
    assert len(re.findall(r"lane \d+: [\d.]+ pixels", printed(apart))) > 0
    milliseconds = [float(value) for value in re.findall(r": ([\d.]+) ms", printed(speed))]
    assert len(milliseconds) == 2 and min(milliseconds) > 0
