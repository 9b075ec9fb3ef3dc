"""The wheel, built and used as by someone who has no checkout: from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCES = ("setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "requirements", "configs", "yolo_plugins")
TABLES = Path("docs", "results")
TINY = [
    "img_size=64",
    "train_dataloader.batch_size=8",
    "train_dataloader.num_workers=0",
    "val_dataloader.num_workers=0",
]


def run(*command: object, cwd: Path, path: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": str(path)} if path else {})
    result = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build_wheel(source: Path, out: Path) -> Path:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, source, "--wheel-dir", out, cwd=out.parent)
    (wheel,) = out.glob("yolo_plugins-*.whl")
    return wheel


def files_below(folder: str | Path) -> list[Path]:
    files = [path for path in (REPO / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return [path.relative_to(REPO) for path in files]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what is packed, in which an earlier build left a module and a config that are gone."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copy
        copy(REPO / name, folder / name)
    shutil.copytree(REPO / TABLES, folder / TABLES)
    for old in ("yolo_plugins/gone.py", "yolo_plugins/.mim/configs/gone.py"):
        (folder / "build" / "lib" / old).parent.mkdir(parents=True, exist_ok=True)
        (folder / "build" / "lib" / old).write_text("")
    return folder


@pytest.fixture(scope="module")
def wheel(checkout) -> Path:
    return build_wheel(checkout, checkout / "dist")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Folder of the installed package, for PYTHONPATH."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    run(*pip, target, wheel, cwd=target)
    return target


@pytest.fixture(scope="module")
def yolo_plugins(installed, tmp_path_factory):
    """Runs the installed command in one empty folder; returns what it printed."""
    folder = tmp_path_factory.mktemp("empty")

    def command(*arguments: object, program: tuple = (installed / "bin" / "yolo-plugins",)) -> str:
        return run(*program, *arguments, cwd=folder, path=installed)

    command.folder = folder
    return command


def test_wheel_holds_every_module_config_and_template(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {str(path) for path in files_below("yolo_plugins")} | {
        f"yolo_plugins/.mim/{path}"
        for path in [*files_below("configs"), *(path for path in files_below(TABLES) if path.suffix == ".csv")]
    }
    assert {name for name in packed if ".dist-info/" not in name} == expected


def test_wheel_of_the_source_distribution_is_the_same(checkout, wheel, tmp_path):
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path, cwd=checkout)
    (archive,) = tmp_path.glob("*.tar.gz")
    other = build_wheel(archive, tmp_path / "dist")
    assert set(zipfile.ZipFile(other).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_extra_all_is_what_a_user_can_need(wheel):
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    of = {
        extra: {line.partition(";")[0] for line in lines if line.endswith(f'extra == "{extra}"')}
        for extra in ("all", "backbones", "analysis", "export")
    }
    assert of["all"] == of["backbones"] | of["analysis"] | of["export"] > set()


def test_configs_are_found_by_name_from_any_folder(yolo_plugins, installed):
    code = "from yolo_plugins.config import find_config as f; print(f('yolov5_n_demo'), f('configs/study_demo.py'))"
    found = yolo_plugins("-c", code, program=(sys.executable,)).split()
    configs = installed.resolve() / "yolo_plugins" / ".mim" / "configs"
    assert found == [str(configs / "yolov5_n_demo.py"), str(configs / "study_demo.py")]
    assert "'YOLOv5PAFPN'" in yolo_plugins("print-config", "yolov5_n_demo")  # from its base


def test_tables_of_results_are_found_from_any_folder(yolo_plugins):
    printed = yolo_plugins("frontier", "docs/results/published.csv", "--y", "ap50_95", "--out", "published")
    assert "Pareto front: " in printed and (yolo_plugins.folder / "published" / "report.html").is_file()


def test_a_relative_data_root_is_that_of_the_current_folder(yolo_plugins):
    """The package has folders of its own, which no data set is."""
    code = (
        "from yolo_plugins.config import load_config; "
        "print(load_config('yolov5_n_demo', ['data_root=datasets']).train_dataloader.dataset.data_root)"
    )
    assert yolo_plugins("-c", code, program=(sys.executable,)) == "datasets\n"


def test_a_study_and_torchrun_train_from_an_empty_folder(yolo_plugins):
    yolo_plugins("make-synthetic-voc", "data", "--train", 16, "--test", 8)
    assert "is sound" in yolo_plugins("verify", "--data", "data")
    options = ["--cfg-options", "data_root=data", "train_cfg.max_epochs=1", *TINY]
    (yolo_plugins.folder / "mine.py").write_text("runs = dict(yolov5_n_demo=[0])\n")
    told = yolo_plugins("study", "mine.py", *options)
    assert "next: yolo-plugins frontier work_dirs/mine --out work_dirs/mine/frontier" in told
    work_dir = yolo_plugins.folder / "work_dirs" / "yolov5_n_demo"
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1")
    train = ("-m", "yolo_plugins", "train", "yolov5_n_demo", "--launcher", "pytorch")
    yolo_plugins(*options, program=(*torchrun, *train))
    for record in (yolo_plugins.folder / "work_dirs/mine/yolov5_n_demo_seed0/record.json", work_dir / "record.json"):
        content = json.loads(record.read_text())
        assert content["status"] == "complete"
        assert content["command"].startswith("yolo-plugins train ")
        assert content["git"] is None
