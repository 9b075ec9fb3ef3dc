"""The notebook runs from its first cell to its last in an empty folder."""

import copy
import os
import sys
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

REPO = Path(__file__).resolve().parents[2]
NOTEBOOK = nbformat.read(REPO / "docs/notebooks/own_pictures.ipynb", as_version=4)


@pytest.fixture
def ran(tmp_path, monkeypatch) -> dict[str, list]:
    """Outputs of the cells of code, by the names of the cells."""
    command = tmp_path / "bin" / "yolo-plugins"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m yolo_plugins "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "here").mkdir()
    notebook = nbclient.execute(copy.deepcopy(NOTEBOOK), cwd=tmp_path / "here", timeout=600, kernel_name="python3")
    return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell.cell_type == "code"}


def test_every_cell_shows_what_it_is_for(ran):
    said = {name: "".join(output.get("text", "") for output in outputs) for name, outputs in ran.items()}
    shown = {name: set().union(*(output.get("data", {}) for output in outputs)) for name, outputs in ran.items()}
    assert "is sound" in said["data"]
    assert "image/png" in shown["seen"] and "image/png" in shown["detect"]
    assert "AP50" in said["train"]
    assert {"text/html"} <= shown["test"] & shown["table"]


def test_it_is_committed_without_outputs():
    code = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    assert code and all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
