"""Every command of README and of the pages runs, small, in a reader's folder; or it stands below with the reason."""

import glob
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import PAGES, REPO, Command, commands
from fuzz.server import Server
from readers_folder import add_checkpoints, add_runs, make_folder, small

SECONDS = 300  # for one command on a busy machine
# The beginning of a command, or a pattern in it -> why it does not run here.
NOT_RUN = {
    r"^(\S+/)?pip ": "network",
    r"^curl ": "network",
    r"^yolo-plugins download-voc": "network: 2.9 GB; tests/datasets/test_download_voc.py",
    r"--official$": "counts the official pictures",
    r"^yolo-plugins demo": "minutes: `make demo`; tests/cli/test_demo.py",
    r"^make |^\.venv/bin/|^source |^python3 -m venv": "the environment; tests/test_setup.py",
    r"^torchrun |^bash tools/|^NNODES=|^GPUS=": "several processes or machines: tests/cli/test_launch_scripts.py",
    r"--slurm|--gpus": "Slurm or GPUs: tests/cli/test_study.py",
    r"--device cuda": "a GPU",
    r"^flock ": "two machines",
    r"list-backbones --refused": "half an hour",
    r"^yolo-plugins doctor": "it ends as the machine is: tests/cli/test_doctor.py",
    r"^yolo-plugins benchmark": "minutes: tests/cli/test_benchmark.py",
    r"^yolo-plugins recommend": "minutes: tests/cli/test_recommend.py",
    r"^for n in": "eight trainings of 30 epochs: tests/study/test_budget.py",
    r"^for share in": "24 trainings of 20 epochs: tests/cli/test_study.py",
    r"convert-weights|yolov4_tiny\.pth": "files of the releases: tests/checkpoints/test_weights.py",
    r"^yolo-plugins train CONFIG \[": "a synopsis: tests/test_docs.py",
    r"twig_backbones|TwigNet": "tests/cli/test_third_party.py",
    r"my_parts": "tests/cli/test_extend.py",
    r"\$MMDET|^MMDET=|^CONFIG=|^DATA=": "tests/cli/test_mmdet_tools.py",
    r"precision int8|torch_export": "minutes: tests/cli/test_export.py",
    r"--log tensorboard": "a package of its own: tests/engine/test_loggers.py",
    r"pretrained=r18\.pth": "weights of others: tests/models/test_pyramid.py",
}
ELSEWHERE = "tests/cli/test_tutorials.py"  # runs every command of the tutorials
EVERY = [command for page in PAGES for command in commands(page)]


def reason(command: Command) -> str | None:
    """Why a command does not run here; None where it does."""
    if command.page.startswith("docs/tutorial_"):
        return ELSEWHERE
    return next((told for pattern, told in NOT_RUN.items() if re.search(pattern, command.text)), None)


RUN = [command for command in EVERY if reason(command) is None]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "log")
    yield started
    started.close()


def run(text: str, folder: Path, server: Server) -> str:
    """Runs a command in a folder; returns what went wrong, empty where nothing did."""
    words = shlex.split(text)
    environment = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    program, *arguments = words[len(environment) :]
    if program != "yolo-plugins":
        return f"{program}: no program of this test"
    found = (sorted(glob.glob(word, root_dir=folder)) if "*" in word and "/" in word else [word] for word in arguments)
    command = [str(folder / "yolo-plugins.py"), *(word for some in found for word in some)]
    answer = server.run(command, folder, SECONDS, {"YOLO_PLUGINS_CACHE": str(folder / "cache"), **environment})
    if answer["status"] == 0:
        add_checkpoints(folder)
        return ""
    return (folder / "stderr").read_text()[-2000:] or str(answer)


@pytest.fixture(scope="module")
def base(tmp_path_factory, server) -> Path:
    """The folder before a page's first command, with a trained model and studies."""
    folder = tmp_path_factory.mktemp("reader") / "base"
    named = {word for command in RUN for word in re.findall(r"\w+", command.text)}
    make_folder(folder, named)
    (folder / "yolo-plugins.py").write_text("from yolo_plugins.__main__ import main\nmain()\n")
    assert run("yolo-plugins train yolov5_n_voc", folder, server) == ""
    add_runs(folder)
    assert run("yolo-plugins frontier work_dirs/study --out frontier", folder, server) == ""
    assert run("yolo-plugins export work_dirs/yolov5_n_voc/epoch_200.pth --format onnx openvino", folder, server) == ""
    return folder


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="commands run in forks of one process, which needs Linux")
@pytest.mark.parametrize("page", sorted({command.page for command in RUN}))
def test_commands_of_a_page_run_in_their_order(page, base, server, tmp_path):
    folder = tmp_path / "here"
    shutil.copytree(base, folder, symlinks=True)
    faults = {str(command): run(small(command.text), folder, server) for command in RUN if command.page == page}
    assert {command: fault for command, fault in faults.items() if fault} == {}


def test_each_reason_holds_for_a_command_and_names_a_test_that_is_there():
    left = [pattern for pattern in NOT_RUN if not any(re.search(pattern, command.text) for command in EVERY)]
    assert left == []
    named = {name for told in (*NOT_RUN.values(), ELSEWHERE) for name in re.findall(r"tests/[\w/]+\.py", told)}
    assert [name for name in named if not (REPO / name).is_file()] == []
