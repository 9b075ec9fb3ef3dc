"""A metric, a cost and a family that are added by one row each: they reach tables, laws, figures, page and help."""

import copy
import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = json.loads((REPO / "tests" / "study" / "record.json").read_text())
ADD_ROWS = """
import runpy, sys
from yolo_plugins.study.tables.families import GROUPS, Group
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity, score
QUANTITIES["ap75"] = score("ap75", "performance", "AP75", "Average precision at IoU 0.75.")
QUANTITIES["memory"] = Quantity(
    "memory", "cost", "measured", "memory", "Memory of one image.", column="memory_bytes", unit="B",
    larger_is_better=False, scale=1e-6, axis_unit="megabytes", spoken_unit="MB memory",
)
GROUPS["mine"] = Group("mine", "My family", networks=({"detector": "mmdet.Mine"},))
"""
RUN_TOOL = "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
TELL_DICTIONARY = "from yolo_plugins.study.tables.schema import data_dictionary\nprint(data_dictionary())"


def run(code: str, *arguments: object, cwd: Path) -> str:
    """What a fresh interpreter with the three rows prints: tables are made of the rows when they are imported."""
    command = [sys.executable, "-c", ADD_ROWS + code, *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """What the front door writes of eight runs, four of them of the new family, whose loss has a fourth term."""
    folder = tmp_path_factory.mktemp("study")
    for index in range(8):
        record, size = copy.deepcopy(EXAMPLE), 1.5**index
        record |= {"config_name": f"model{index}", "config_sha256": f"{index}"}
        record["modules"] = {"detector": "mmdet.Mine"} if index % 2 else EXAMPLE["modules"]
        record["complexity"] |= {name: int(EXAMPLE["complexity"][name] * size) for name in ("params", "macs", "flops")}
        record["complexity"]["memory_bytes"] = 4e6 * size
        for row in record["epochs"]:
            row["scores"]["ap75"] = 0.1 * size**0.2 + 0.01 * (index % 3)
            row["losses"]["dfl"] = -0.25
        (folder / "runs" / f"{index}").mkdir(parents=True)
        (folder / "runs" / f"{index}" / "record.json").write_text(json.dumps(record))
    run(RUN_TOOL, REPO / "tools" / "frontier.py", "runs", "--x", "memory", "--y", "ap75", "--out", "out", cwd=folder)
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_have_their_columns(out):
    models, runs, epochs = (rows(out / f"{name}.csv") for name in ("models", "runs", "epochs"))
    assert float(models[0]["memory_bytes"]) == float(runs[0]["memory_bytes"]) == 4e6
    assert float(models[0]["ap75"]) == float(runs[0]["ap75"]) == float(epochs[0]["ap75"]) == pytest.approx(0.1)
    assert "ap75_sd" in models[0]
    assert [model["family"] for model in models] == ["other", "mine"] * 4
    assert {epoch["loss_dfl"] for epoch in epochs} == {"-0.25"}


def test_the_laws_are_fitted_and_drawn_under_their_titles(out):
    fits = [(row["x"], row["y"], row["group"]) for row in rows(out / "fits.csv")]
    assert fits[:3] == [("memory", "ap75", group) for group in ("all", "mine", "other")]
    assert {("params", "ap75"), ("macs", "ap75")} <= {(x, y) for x, y, _ in fits}
    names = {path.name for path in (out / "figures").iterdir()}
    assert {"ap75.png", "ap75_vs_memory.svg", "ap75_vs_params.svg", "ap50_vs_memory.svg"} <= names
    figure = (out / "figures" / "ap75_vs_memory.svg").read_text()
    assert ">AP75</text>" in figure and ">memory (megabytes)</text>" in figure and ">My family: " in figure


def test_the_page_offers_and_shows_them(out):
    page = (out / "report.html").read_text()
    assert "<h1>AP75 against memory: 8 models</h1>" in page
    for value, title in {"ap75": "AP75", "memory": "memory", "loss_dfl": "dfl loss"}.items():
        assert f'<option value="{value}"' in page and f">{title}</option>" in page
    for heading in ("AP75", "MB memory", "AP75 / law"):
        assert f'<button type="button">{heading}</button>' in page
    assert "Over My family, AP75 scales as memory" in page
    plots = json.loads(page.partition('id="plots">')[2].partition("</script>")[0])
    assert {"memory ap75", "memory recall", "latency ap75"} <= set(plots["scatter"])
    assert plots["scatter"]["memory ap75"]["layout"]["xaxis"]["title"]["text"] == "memory (megabytes)"
    traces = plots["scatter"]["memory ap75"]["data"]
    assert any(line.startswith("My family<br>") or "<br>My family<br>" in line for line in traces[-2]["hovertext"])
    assert plots["curves"]["loss_dfl"]["layout"]["yaxis"]["title"]["text"] == "dfl loss"


def test_the_help_and_the_data_dictionary_name_them(tmp_path):
    told = " ".join(run(RUN_TOOL + "\n", REPO / "tools" / "frontier.py", "--help", cwd=tmp_path).split())
    assert "cost: params, macs, latency, memory (" in told
    assert "recall, ap75 (" in told
    dictionary = run(TELL_DICTIONARY, cwd=tmp_path)
    assert dictionary.count("| `ap75` | float 0..1 | fraction | yes | Average precision at IoU 0.75. |") == 3
    assert dictionary.count("| `memory_bytes` | float 0.. | B | yes | Memory of one image. |") == 2
    assert "`scaled_yolov4`, `mine`: its own" in dictionary
