"""The front door: what it writes and says, from another directory and without torch, and the line of each fault."""

import copy
import json
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import yolo_plugins.study
from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.laws.prediction import law_of
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, FITS, MODELS, PROTOCOLS, RUNS, read_table, write_table

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "frontier.py"
PUBLISHED = REPO / "docs" / "results" / "published.csv"
EXAMPLE = json.loads((REPO / "tests" / "study" / "record.json").read_text())
MODELS_OF_STUDY = {"small": 1.0, "medium": 2.0, "large": 4.0, "huge": 9.0}
WITHOUT_TORCH = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert "torch" not in sys.modules
"""


def run(*arguments: object, cwd: Path) -> str:
    """Runs the command in a process that must not load torch; returns what it prints."""
    command = [sys.executable, "-c", WITHOUT_TORCH, TOOL, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, str]:
    """The folder that the published figures give, and what was printed."""
    folder = tmp_path_factory.mktemp("published")
    return folder / "out", run(PUBLISHED, "--y", "ap50_95", "--out", "out", cwd=folder)


@pytest.fixture(scope="module")
def work_dirs(tmp_path_factory) -> Path:
    """Records of four models, one of two seeds, and of one that was killed."""
    folder = tmp_path_factory.mktemp("study") / "work_dirs"
    runs = [(name, 0) for name in MODELS_OF_STUDY] + [("small", 1), ("killed", 0)]
    for name, seed in runs:
        record = copy.deepcopy(EXAMPLE)
        size = MODELS_OF_STUDY.get(name, 1.0)
        record |= {"config_name": name, "config_sha256": name, "seed": seed}
        record["status"] = "running" if name == "killed" else "complete"
        for key in ("params", "macs", "flops"):
            record["complexity"][key] = int(record["complexity"][key] * size)
        for row in record["epochs"]:
            row["scores"]["ap50"] = (0.3 + 0.01 * seed) * size**0.2 * math.exp(0.03 * (len(name) % 3))
        (folder / f"{name}_{seed}").mkdir(parents=True)
        (folder / f"{name}_{seed}" / "record.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def studied(work_dirs) -> tuple[Path, str]:
    """The folder that the work directories give, and what was printed."""
    return work_dirs.parent / "out", run("work_dirs", "--y", "ap50", "--out", "out", cwd=work_dirs.parent)


@pytest.fixture
def tool(monkeypatch, capsys, tmp_path):
    """Runs the command in this process; returns (exit code, what it prints, the lines of its errors)."""

    def call(*arguments: object) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "argv", [str(TOOL), *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        code = 0
        try:
            runpy.run_path(str(TOOL), run_name="__main__")
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err.splitlines()

    return call


def test_published_figures_give_laws_figures_and_a_report(published):
    out, printed = published
    names = sorted(path.name for path in out.iterdir())
    assert names == ["figures", "fits.csv", "models.csv", "report.html"]
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert {f"ap50_95_vs_{x}.{ending}" for x in ("params", "macs") for ending in ("png", "svg")} <= drawn
    assert (out / "models.csv").read_text() == PUBLISHED.read_text()
    fits = read_table(out / "fits.csv", FITS)
    assert tuple(fits.loc[0, ["x", "y", "group"]]) == ("macs", "ap50_95", "all")
    rows = read_table(PUBLISHED, MODELS).query("family == 'yolov5'")
    law = fit_power_law(rows["macs"].tolist(), rows["ap50_95"].tolist(), rows["model"].tolist())
    row = fits.query("x == 'macs' and y == 'ap50_95' and group == 'yolov5'").iloc[0]
    assert law_of(row).exponent == law.exponent
    low, high = law.exponent_interval.low, law.exponent_interval.high
    assert re.search(rf"YOLOv5 +{law.exponent:.4f} \[{low:.4f}, {high:.4f}\], n = 5, 3 dof", printed)
    assert "(fewer than 9 points cannot tell whether a law levels off)" in printed
    assert (out / "report.html").read_text().count("yolov5x6") > 0


def test_work_directories_give_every_table_and_name_what_is_left_out(studied, work_dirs):
    out, printed = studied
    assert "left out: work_dirs/killed_0/record.json: running after 2 of 2 epochs" in printed
    for table, rows in ((RUNS, 5), (PROTOCOLS, 7), (EPOCHS, 10), (COMPLEXITY, 8), (MODELS, 4)):
        assert len(read_table(out / table.name, table)) == rows
    assert {"loss.svg", "epoch_seconds.png", "flops.svg", "ap50_vs_macs.svg"} <= {
        path.name for path in (out / "figures").iterdir()
    }
    report = (out / "report.html").read_text()
    assert EXAMPLE["command"] in report
    assert "frontier.py work_dirs --y ap50 --out out" in report


def test_tables_of_runs_give_the_laws_of_their_work_directories(studied, tool):
    out, _ = studied
    tables = [out / name for name in ("runs.csv", "complexity.csv", "epochs.csv")]
    code, _, errors = tool(*tables, "--y", "ap50", "--out", "again")
    assert (code, errors) == (0, [])
    for name in ("fits.csv", "models.csv", "epochs.csv"):
        assert Path("again", name).read_bytes() == (out / name).read_bytes()


def test_predict_counts_a_config_and_tells_both_laws(published, tool):
    out, _ = published
    code, printed, _ = tool("predict", "yolov5_s_coco", "--fits", out)
    assert code == 0
    first, *rest = printed.splitlines()
    assert first == ("yolov5_s_coco (YOLOv5): 7.235 million parameters and 16.43 GFLOPs, counted at 640 x 640 pixels")
    note, *rest = rest
    assert note.startswith("note: how the models of the study were trained is not recorded")
    assert [line for line in rest if not line.startswith(" ")] == [
        "AP50-95 by the law of YOLOv5 (n = 5):",
        "AP50-95 by the law of all models (n = 76):",
    ]
    fits = read_table(out / "fits.csv", FITS)
    row = fits.query("x == 'macs' and y == 'ap50_95' and group == 'yolov5'").iloc[0]
    expected = law_of(row).predict(8216780800)
    assert f"expected    {expected.expected:.4g}; with 95 % probability within {expected.low:.4g} .. " in rest[1]
    attainable = row["upper_coefficient"] * 8216780800 ** row["upper_exponent"]
    assert f"attainable  {attainable:.4g} (quantile 0.9 of the group)" in rest[2]
    assert "inside the fitted range, 4.5 GFLOPs .. 205.7 GFLOPs" in rest[3]


def test_predict_counts_at_the_size_of_the_study_and_says_what_is_beyond_it(studied, tool):
    out, _ = studied
    code, printed, _ = tool("predict", "yolov5_l_voc", "--fits", out, "--x", "params", "--allow-mixed")
    assert code == 0
    assert (
        "46.24 million parameters and 6.748 GFLOPs, counted at 160 x 160 pixels" in printed
    )  # a quarter of 320's MACs
    assert "There is no law of YOLOv5 alone" in printed
    assert "OUTSIDE the fitted range, 4.229 million parameters .. 38.06 million parameters" in printed


def test_trained_models_are_compared_by_the_noise_of_seeds(studied, tool):
    code, printed, _ = tool("compare", "small", "huge", "--fits", studied[0])
    assert code == 0
    small, huge, verdict = printed.splitlines()
    assert small.startswith("small (other models): 0.5259 GFLOPs; measured AP50 0.") and small.endswith(
        "mean of 2 seeds"
    )
    assert huge.endswith("one seed")
    assert re.match(r"huge is better than small with probability 0\.9\d+, by the measured means", verdict)
    assert verdict.endswith("(sd 2.3 %); 1 degree of freedom")


def test_without_seeds_the_law_compares_and_says_so(published, tool):
    code, printed, _ = tool("compare", "yolov5n", "yolov5x", "--fits", published[0])
    assert code == 0
    *models, reason, own, every = printed.splitlines()
    assert [line.split()[0] for line in models] == ["yolov5n", "yolov5x"]
    assert reason.startswith("No model was trained with several seeds")
    assert "by the law of YOLOv5 alone, as if neither were trained; 3 degrees of freedom" in own
    assert every.startswith("yolov5x is better than yolov5n with probability 0.9")


def test_a_config_is_compared_with_what_a_model_measured(published, tool):
    code, printed, _ = tool("compare", "yolov4_tiny_coco", "yolov5x", "--fits", published[0])
    assert code == 0
    assert "by the measured value and the law of Scaled-YOLOv4; 3 degrees of freedom" in printed


@pytest.fixture
def tables(published, studied, tmp_path) -> Path:
    """Tables with a fault each, in the directory where the command runs."""
    text = PUBLISHED.read_text()
    header, first, *_ = text.splitlines()
    for name, content in {
        "empty.csv": "",
        "one.csv": f"{header}\n{first}\n",
        "wrong.csv": text.replace("ap50_95", "ap5095", 1),
    }.items():
        (tmp_path / name).write_text(content)
    for source, table in ((published[0], MODELS), (published[0], FITS), (studied[0], RUNS)):
        write_table(read_table(source / table.name, table), tmp_path / table.name, table)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("empty.csv --y ap50", "empty.csv: the file is empty"),
        ("one.csv --y ap50", "one.csv: no law of ap50 against macs: 1 of at least 3 models that a line needs"),
        ("wrong.csv", "wrong.csv, line 1: column 'ap5095' is none of models.csv; did you mean 'ap50_95'?"),
        ("nowhere.csv", "nowhere.csv: cannot be read as a table"),
        ("folder", "folder: no record.json in it or below"),
        ("models.csv folder", "folder is a folder, others are files: give work directories or tables, not both"),
        ("models.csv runs.csv", "models.csv (models.csv), runs.csv (runs.csv): give runs.csv with complexity.csv"),
        ("runs.csv", "runs.csv (runs.csv): give runs.csv with complexity.csv"),
        ("models.csv one.csv", "models.csv and one.csv both have the columns of models.csv"),
        ("fits.csv", "fits.csv: a table of the kind of fits.csv is no study"),
        ("models.csv", "models.csv: no values of inverse_normalized_loss: give --y ap50 or --y ap50_95"),
        ("models.csv --y recall", "models.csv: no values of recall"),
        ("models.csv --y ap50 --x speed", "--x speed: give params, macs, latency"),
        ("models.csv --y ap50 --x latency", "no law of ap50 against latency: 0 of at least 3 models"),
        ("models.csv --y ap50 --group colour", "there is no column 'colour' to group by"),
    ],
)
def test_a_fault_of_the_tables_is_one_line_and_leaves_nothing(arguments, sentence, tables, tool):
    code, printed, errors = tool(*arguments.split(), "--out", "out")
    assert (code, printed, len(errors)) == (1, "", 1)
    assert errors[0].startswith("error: ") and sentence in errors[0]
    assert not (tables / "out").exists()


@pytest.mark.parametrize("score", ["0", "1"])
def test_a_model_with_a_score_at_an_end_of_its_scale_stops_no_other(published, tmp_path, score):
    text = PUBLISHED.read_text().replace(",0.568,0.374,", f",0.568,{score},")  # yolov5s
    (tmp_path / "models.csv").write_text(text)
    printed = run("models.csv", "--y", "ap50_95", "--out", "out", cwd=tmp_path)
    assert f"note: at an end of its scale, left out of laws and logarithmic axes: yolov5s (AP50-95 {score})" in printed
    assert "n = 4, 2 dof" in printed
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"yolov5s (AP50-95 {score})" in page
    verdict = run("compare", "yolov5s", "yolov5x", "--fits", "out", cwd=tmp_path)
    assert f"measured AP50-95 {score}, an end of its scale, so that its law stands in for it" in verdict


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("predict yolov5_s_coco --fits folder", "folder has no fits.csv: give the folder that frontier.py wrote"),
        ("predict yolov5_q_coco --fits .", "config 'yolov5_q_coco' does not exist; did you mean"),
        ("predict yolov5_s_coco --fits . --y recall", "no law of recall against macs: it has --x macs, params and --y"),
        ("compare yolov5n yolov5n --fits .", "yolov5n and yolov5n are one model: give two"),
        ("compare yolov5n yolov9 --fits .", "config 'yolov9' does not exist"),
    ],
)
def test_a_fault_of_the_question_is_one_line(arguments, sentence, tables, tool):
    code, printed, errors = tool(*arguments.split())
    assert (code, printed, len(errors)) == (1, "", 1)
    assert errors[0].startswith("error: ") and sentence in errors[0]


def test_laws_of_a_quantity_that_is_gone_are_refused(tables, tool):
    text = (tables / "fits.csv").read_text()
    (tables / "fits.csv").write_text(text.replace("\nmacs,ap50_95,", "\nmacs,ap75,"))
    code, _, errors = tool("compare", "yolov5n", "yolov5s", "--fits", ".")
    assert (code, errors) == (1, ["error: fits.csv: ap75 or macs is known no longer: write it anew with frontier.py"])


def test_a_missing_library_is_told_with_the_remedy(tables, tool, monkeypatch):
    monkeypatch.delitem(sys.modules, "yolo_plugins.study.frontier", raising=False)
    monkeypatch.delattr(yolo_plugins.study, "frontier", raising=False)
    monkeypatch.delitem(sys.modules, "yolo_plugins.study.report.page", raising=False)
    monkeypatch.delitem(sys.modules, "yolo_plugins.pages.render", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, _, errors = tool("models.csv", "--out", "out")
    assert (code, len(errors)) == (1, 1)
    assert errors[0].endswith("pip install 'yolo_plugins[analysis]'")


def test_an_out_that_is_a_file_is_told_and_left_alone(tool, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, _, errors = tool(PUBLISHED, "--y", "ap50", "--out", "taken")
    assert (code, errors) == (1, ["error: taken: file exists; give another path, or fix that one"])
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("command", ["predict", "compare"])
def test_the_commands_tell_their_own_usage(command, tool):
    code, printed, _ = tool(command, "--help")
    assert code == 0
    assert printed.startswith(f"usage: frontier.py {command} ")
