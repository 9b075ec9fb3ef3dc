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

import pandas as pd
import pytest

import yolo_plugins.study
from yolo_plugins.study.laws.fits import law_of
from yolo_plugins.study.laws.power_law import fit_power_law
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


def test_a_folder_of_tables_is_its_tables(studied, tool):
    out, _ = studied
    assert tool(out, "--y", "ap50", "--out", "from_folder")[0] == 0
    for name in ("fits.csv", "models.csv", "epochs.csv", "protocols.csv"):
        assert Path("from_folder", name).read_bytes() == (out / name).read_bytes()
    code, _, errors = tool("budget", out, "--want", 0.5, "--model", "small")
    assert code == 1 and "a law needs 3 numbers of pictures" in errors[0]


def test_a_measured_config_is_recognised_and_predicted_without_itself(published, tool):
    code, printed, errors = tool("predict", "yolov4_p7_coco", "--fits", published[0], "--allow-mixed")
    assert (code, errors) == (0, [])
    first, *_, known, expected, attainable, outside = printed.splitlines()
    assert first.startswith("yolov4_p7_coco (Scaled-YOLOv4): 287.6 million parameters and 1637 GFLOPs, counted at 1536")
    assert known.startswith("It is measured already, as yolov4_p7: AP50-95 0.55. Without it, the pooled law of ")
    value, low, high = map(float, re.findall(r"0\.\d+", expected))
    assert 0.5 < low < value < high < 0.7
    assert float(re.search(r"0\.\d+", attainable)[0]) > value
    assert "OUTSIDE the models in parameters" in outside


@pytest.mark.parametrize(
    ("config", "difference"),
    [
        ("yolov5_l_voc", "its data are VOC"),
        ("yolov4_p7_voc", "its data are VOC"),
        ("yolov5_s_finetune", "its data are"),
    ],
)
def test_a_config_of_other_data_is_not_predicted(published, tool, config, difference):
    code, printed, errors = tool("predict", config, "--fits", published[0])
    assert (code, printed, len(errors)) == (1, "", 1)
    assert difference in errors[0] and "those of the models COCO 2017" in errors[0] and "--allow-mixed" in errors[0]
    code, printed, _ = tool("predict", config, "--fits", published[0], "--allow-mixed")
    assert code == 0 and "taken as if it were like them (--allow-mixed)" in printed


def test_a_config_of_another_size_is_counted_at_that_of_the_study_only_if_allowed(studied, tool):
    out, _ = studied
    code, _, errors = tool("predict", "yolov5_l_voc", "--fits", out)
    assert code == 1
    assert "it is for 320 x 320 pixels, the models were measured at 160 x 160 pixels" in errors[0]
    code, printed, _ = tool("predict", "yolov5_l_voc", "--fits", out, "--allow-mixed")
    assert code == 0
    assert "46.24 million parameters and 6.748 GFLOPs, counted at 160 x 160 pixels" in printed  # a quarter of 320's
    assert "OUTSIDE the models in parameters (4.229 million parameters .. 38.06 million parameters)" in printed


def test_options_change_the_config_that_is_predicted(studied, tool):
    code, _, errors = tool("predict", "yolov5_l_voc", "--fits", studied[0], "--cfg-options", "img_size=160")
    assert code == 1
    assert "pixels" not in errors[0] and "trained otherwise than the models of the study (epochs: 2 -> 200" in errors[0]


def test_options_of_the_study_change_the_config_that_is_predicted(studied, tool, tmp_path):
    study = tmp_path / "mine.py"
    study.write_text("runs = dict(yolov5_n_voc=[0])\noptions = ['img_size=160', 'train_cfg.max_epochs=3']")
    asked = ("predict", "yolov5_l_voc", "--fits", studied[0], "--cfg-options", "train_cfg.max_epochs=4")
    code, _, errors = tool(*asked, "--study", study)
    assert code == 1
    assert "pixels" not in errors[0] and "(epochs: 2 -> 4" in errors[0]  # --cfg-options come last
    study.write_text("options = ['img_size=160']")
    code, _, errors = tool(*asked, "--study", study)
    assert code == 1 and f"{study}: no runs, so it is no study" in errors[-1]


def test_trained_models_are_compared_by_measurements_seeds_and_the_law(studied, tool):
    code, printed, _ = tool("compare", "small", "huge", "--fits", studied[0])
    assert code == 0
    small, huge, verdict = printed.splitlines()
    assert small.startswith("small (other models): 4.229 million parameters; measured AP50 0.")
    assert small.endswith("mean of 2 seeds") and huge.endswith("one seed")
    assert re.match(
        r"huge is better than small with probability (0\.9\d+|above 0.999), by what both measured, the noise of",
        verdict,
    )
    assert "the noise of the seeds (1 degree of freedom), and" in verdict
    assert verdict.endswith("so few repeats tell little of chance: the probability may be up to 5 points too large")


def test_without_seeds_measurements_count_and_their_noise_is_told_to_be_unknown(published, tool):
    code, printed, _ = tool("compare", "yolov5n", "yolov5x", "--fits", published[0])
    assert code == 0
    *models, verdict = printed.splitlines()
    assert [line.split()[0] for line in models[-2:]] == ["yolov5n", "yolov5x"]
    assert verdict.startswith("yolov5x is better than yolov5n with probability above 0.999, by what both measured and")
    assert verdict.endswith("no model was trained with several seeds, so chance may be any part of their scatter")


def test_a_config_is_compared_with_what_a_model_measured(published, tool):
    text = "yolov4_tiny_coco", "yolov5x"
    code, printed, _ = tool("compare", *text, "--fits", published[0], "--allow-mixed")
    assert code == 0
    assert "yolov5x is better than yolov4_tiny with probability" in printed  # which is measured too


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
    assert f"measured AP50-95 {score}, an end of its scale, so that the law stands in for it" in verdict


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "predict yolov5_s_coco --fits folder",
            "folder has no fits.csv: give the folder that yolo-plugins frontier wrote",
        ),
        ("predict yolov5_q_coco --fits .", "config 'yolov5_q_coco' does not exist; did you mean"),
        ("predict yolov5_s_coco --fits . --y recall", "no law of recall against params: 0 of at least 3 models"),
        ("predict yolov5_s_coco --fits . --y ap75", "'ap75' is no quantity of a study: give --y train_loss"),
        ("predict yolov5_s_coco --fits . --x latency", "its latency cannot be counted: give --x params or --x macs"),
        ("compare yolov5n yolov5n --fits .", "yolov5n and yolov5n are one model: give two"),
        ("compare yolov5n yolov9 --fits .", "config 'yolov9' does not exist"),
        ("budget runs.csv --want 0.5", "runs.csv: runs of several models: give --model huge or --model large"),
        (
            "budget runs.csv --want 0.5 --model small",
            "a law needs 3 numbers of pictures, the runs of small have 1 (1,697)",
        ),
        (
            "budget models.csv --want 0.5",
            "models.csv: it has the columns of models.csv: give runs.csv and protocols.csv",
        ),
        ("budget runs.csv --want 50", "--want 50 is not between 0 and 1: give a value that AP50 can have"),
    ],
)
def test_a_fault_of_the_question_is_one_line(arguments, sentence, tables, tool):
    code, printed, errors = tool(*arguments.split())
    assert (code, printed, len(errors)) == (1, "", 1)
    assert errors[0].startswith("error: ") and sentence in errors[0]


def test_budget_tells_how_many_pictures_are_enough(studied, tmp_path):
    runs = read_table(studied[0] / RUNS.name, RUNS)
    subsets = runs[runs["model"] == "small"][:1].drop(columns=["train_images", "ap50", "config_sha256"])
    points = {"train_images": [500, 1000, 2000, 4000], "ap50": [0.2, 0.28, 0.38, 0.47], "config_sha256": list("abcd")}
    write_table(subsets.merge(pd.DataFrame(points), how="cross"), tmp_path / RUNS.name, RUNS)
    printed = run("budget", "runs.csv", "--want", "0.5", cwd=tmp_path)
    assert printed.startswith("small: AP50 against pictures\n")
    assert re.search(r"\nAP50 0.5 takes 4,\d+ pictures, 95 % interval 3,\d+ \.\. [5-9],\d+; beyond", printed)


def test_laws_of_a_quantity_that_is_gone_are_refused(tables, tool):
    text = (tables / "fits.csv").read_text()
    (tables / "fits.csv").write_text(text.replace(",ap50_95,", ",ap75,"))
    code, _, errors = tool("compare", "yolov5n", "yolov5s", "--fits", ".")
    assert code == 1 and errors[0].startswith("error: .: 'ap75' is no quantity of a study: give --y ")


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


@pytest.mark.parametrize("command", ["predict", "compare", "budget"])
def test_the_commands_tell_their_own_usage(command, tool):
    code, printed, _ = tool(command, "--help")
    assert code == 0
    assert printed.startswith(f"usage: frontier.py {command} ")
