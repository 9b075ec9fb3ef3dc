"""The package of docs/add_a_backbone.md, written to a folder of its own, works through both doors as the page says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "add_a_backbone.md").read_text()
IMPORT_LINE = 'custom_imports = dict(imports=["twig_backbones"])'
CONFIG = "yolov5_twignet_voc.py"


def run(*command: object, path: Path, cwd: Path) -> subprocess.CompletedProcess:
    """Runs a Python command in which the packages of a folder can be imported."""
    environment = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


def written_package(folder: Path) -> Path:
    """The page's files beside a checkout."""
    files = dict(re.findall(r"^`twig_backbones/([\w.]+)`\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    assert sorted(files) == ["pyproject.toml", "test_twignet.py", "twig_backbones.py", CONFIG]
    package = folder / "twig_backbones"
    package.mkdir()
    for name, text in files.items():
        (package / name).write_text(text)
    (folder / "yolo_plugins").symlink_to(REPO)
    return package


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Path, Path]:
    """(the package's source, the folder that pip installed it into)."""
    source, target = written_package(tmp_path_factory.mktemp("with_pip")), tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    result = run("-m", "pip", "install", *options, "--target", target, source, path=target, cwd=target)
    assert result.returncode == 0, result.stderr
    assert (target / "twig_backbones.py").is_file()
    return source, target


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """The package's source, not installed, its config with the line of the second door."""
    source = written_package(tmp_path_factory.mktemp("without_pip"))
    assert IMPORT_LINE in PAGE
    with (source / CONFIG).open("a") as config:
        config.write(IMPORT_LINE + "\n")
    return source


def train_two_iterations(config: Path, path: Path, data_root: Path, cwd: Path) -> None:
    options = ["img_size=64", "model.backbone.width=8", "model.neck.widen_factor=0.125", "train_cfg.max_epochs=1"]
    loaders = ["train_dataloader.batch_size=12", "train_dataloader.num_workers=0", "val_dataloader.num_workers=0"]
    tool = [REPO / "tools" / "train.py", config, "--work-dir", cwd / "run", "--cfg-options", f"data_root={data_root}"]
    result = run(*tool, *options, *loaders, path=path, cwd=cwd)
    assert result.returncode == 0, result.stderr
    record = json.loads((cwd / "run" / "record.json").read_text())
    assert record["status"] == "complete"
    assert record["epochs"][0]["images"] == 24


def listed(*arguments: object, path: Path, cwd: Path) -> str:
    """The row of TwigNet in list_backbones.py."""
    tool = REPO / "tools" / "analysis" / "list_backbones.py"
    result = run(tool, "TwigNet*", *arguments, path=path, cwd=cwd)
    assert result.returncode == 0, result.stderr
    (row,) = [line for line in result.stdout.splitlines() if line.endswith("TwigNet()")]
    return " ".join(row.split())


def test_an_installed_package_trains(installed, synthetic_voc, tmp_path):
    source, target = installed
    assert IMPORT_LINE not in (source / CONFIG).read_text()
    train_two_iterations(source / CONFIG, target, synthetic_voc, tmp_path)


def test_a_module_on_the_path_trains(imported, synthetic_voc, tmp_path):
    train_two_iterations(imported / CONFIG, imported, synthetic_voc, tmp_path)


def test_both_are_listed(installed, imported, tmp_path):
    row = listed(path=installed[1], cwd=tmp_path)
    assert re.fullmatch(r"2,325,472 [\d,]+ 128 256 512 8 16 32 twig_backbones TwigNet\(\)", row)
    assert listed("--config", imported / CONFIG, path=imported, cwd=tmp_path) == row


def test_the_packages_own_test_passes(installed, tmp_path):
    source, target = installed
    result = run("-m", "pytest", "-q", source, path=target, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


def test_the_faults_on_the_page_are_told_as_it_says(imported, tmp_path):
    """A wrong stride and a classifier, planted in the page's own network."""
    (tmp_path / "twig_backbones.py").write_text(
        (imported / "twig_backbones.py")
        .read_text()
        .replace("[8, 16, 32]", "[8, 16, 64]")
        .replace("        self.out_channels", "        self.classifier = nn.Linear(512, 20)\n        self.out_channels")
    )
    code = "import twig_backbones, yolo_plugins.testing as t; t.check_backbone(dict(type='TwigNet'))"
    result = run("-c", code, path=tmp_path, cwd=tmp_path)
    (told,) = re.findall(r"```\n(TwigNet breaks .*?)```", PAGE, re.DOTALL)
    assert result.stderr.endswith("UsageError: " + told)
