"""dist_train.sh, dist_test.sh and slurm_train.sh start the right processes, from another directory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

# Stands in for train.py and test.py: says who it is and what it was given.
REPORT = """
import json, os, sys
from pathlib import Path
me = {name: os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
Path(me["RANK"] + ".json").write_text(json.dumps(me | {"arguments": sys.argv}))
"""

# Stands in for Slurm: runs the command once, as task 1 of 2 of job 7.
SRUN = """#!/bin/bash
printf '%s\\n' "$@" > srun_arguments
while [ "$1" != bash ]; do shift; done
SLURM_PROCID=1 SLURM_LOCALID=0 SLURM_NTASKS=2 SLURM_JOB_ID=7 SLURM_STEP_NODELIST='node[1-2]' exec "$@"
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose train.py and test.py only report, and whose .venv is the Python of this test."""
    shutil.copytree(TOOLS, tmp_path / "checkout" / "tools")
    for tool in ("train.py", "test.py"):
        (tmp_path / "checkout" / "tools" / tool).write_text(REPORT)
    executable(tmp_path / "checkout" / ".venv" / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    return tmp_path / "checkout"


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def launch(cwd, script, *arguments, **environment):
    command = ["bash", script, *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


def reports(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("[0-9].json"))]


@pytest.mark.parametrize(
    ("script", "tool", "arguments"),
    [
        ("dist_train.sh", "train.py", ["my config.py", 2, "--work-dir", "a b"]),
        ("dist_test.sh", "test.py", ["config.py", "epoch.pth", 2, "--out", "x"]),
    ],
)
def test_torchrun_starts_one_process_per_gpu_on_a_free_port(checkout, tmp_path, script, tool, arguments):
    result = launch(tmp_path, checkout / "tools" / script, *arguments)
    assert result.returncode == 0, result.stderr
    first, second = reports(tmp_path)
    given = [str(argument) for argument in arguments if argument != 2]
    assert first["arguments"] == [str(checkout / "tools" / tool), *given, "--launcher", "pytorch"]
    assert [first["RANK"], second["RANK"], first["WORLD_SIZE"]] == ["0", "1", "2"]
    assert first["MASTER_PORT"] == second["MASTER_PORT"] != "29500"


def test_machines_meet_at_the_given_address(checkout, tmp_path):
    python = checkout / ".venv" / "bin" / "python"
    executable(python, '#!/bin/sh\necho "$@"\n')
    machine = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "PORT": "12345"}
    command = launch(tmp_path, checkout / "tools" / "dist_train.sh", "config.py", 8, **machine).stdout
    assert "--nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --master-port 12345 --nproc-per-node 8" in command


WRONG_NUMBERS = ["two", "-1", "08", "1e3", "9" * 30, " 3", "a[$(touch evaluated)]"]


@pytest.mark.parametrize("gpus", ["0", "", *WRONG_NUMBERS])
def test_wrong_number_of_gpus_is_refused(tmp_path, gpus):
    result = launch(tmp_path, TOOLS / "dist_train.sh", "config.py", gpus)
    assert result.returncode == 2
    assert f"not '{gpus}'" in result.stderr
    assert not (tmp_path / "evaluated").exists()


@pytest.mark.parametrize("name", ["NNODES", "NODE_RANK", "PORT"])
def test_wrong_numbers_of_machines_are_refused_and_run_nothing(tmp_path, name):
    for value in WRONG_NUMBERS:
        environment = {"NNODES": "2", "NODE_RANK": "0", name: value}
        for script, arguments in (("dist_train.sh", ["c", 1]), ("dist_test.sh", ["c", "x.pth", 1])):
            result = launch(tmp_path, TOOLS / script, *arguments, **environment)
            assert (result.returncode, f"error: {name} is " in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "evaluated").exists()


def test_a_machine_beyond_their_number_is_refused(tmp_path):
    result = launch(tmp_path, TOOLS / "dist_train.sh", "c", 1, NNODES="2", NODE_RANK="2")
    assert "error: NODE_RANK is the number of this machine, 0 to 1, not '2'" in result.stderr


@pytest.fixture
def slurm(tmp_path):
    """Environment with a stand-in for Slurm's commands."""
    executable(tmp_path / "bin" / "srun", SRUN)
    executable(tmp_path / "bin" / "scontrol", "#!/bin/sh\nprintf 'node1\\nnode2\\n'\n")
    return {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_slurm_tasks_know_their_rank_and_meeting_point(checkout, slurm, tmp_path):
    arguments = ["gpu", "name", "config.py", "work dir", "--amp"]
    result = launch(
        tmp_path, checkout / "tools" / "slurm_train.sh", *arguments, GPUS="16", SRUN_ARGS="--time 5", **slurm
    )
    assert result.returncode == 0, result.stderr
    (task,) = reports(tmp_path)
    assert task["arguments"][1:] == ["config.py", "--work-dir", "work dir", "--amp", "--launcher", "pytorch"]
    assert [task[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")] == ["1", "2", "node1", "20007"]
    asked = (tmp_path / "srun_arguments").read_text().split("bash\n")[0]
    assert "--ntasks\n16\n--ntasks-per-node\n8\n--gres\ngpu:8\n" in asked
    assert "--time\n5\n" in asked


def test_slurm_without_gpus_asks_for_none(checkout, slurm, tmp_path):
    slurm |= {"GPUS": "2", "GPUS_PER_NODE": "0"}
    assert (
        launch(tmp_path, checkout / "tools" / "slurm_train.sh", "cpu", "name", "config.py", "out", **slurm).returncode
        == 0
    )
    assert "gpu" not in (tmp_path / "srun_arguments").read_text().split("bash\n")[0]


@pytest.mark.parametrize("name", ["GPUS", "GPUS_PER_NODE", "CPUS_PER_TASK", "PORT"])
def test_wrong_numbers_for_slurm_are_refused_and_run_nothing(checkout, slurm, tmp_path, name):
    for value in WRONG_NUMBERS:
        script = checkout / "tools" / "slurm_train.sh"
        result = launch(tmp_path, script, "gpu", "name", "config.py", "out", **slurm, **{name: value})
        assert (result.returncode, f"error: {name} is " in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "evaluated").exists()
    assert not (tmp_path / "srun_arguments").exists()


def test_srun_gets_its_arguments_as_they_are(checkout, slurm, tmp_path):
    slurm |= {"SRUN_ARGS": "--comment=* --x=$(touch evaluated)\n--y=z"}
    launch(tmp_path, checkout / "tools" / "slurm_train.sh", "gpu", "name", "config.py", "out", **slurm)
    assert "--comment=*\n--x=$(touch\nevaluated)\n--y=z\nbash\n" in (tmp_path / "srun_arguments").read_text()
    assert not (tmp_path / "evaluated").exists()


def test_machine_without_slurm_is_told(checkout, tmp_path):
    (tmp_path / "bin").mkdir()
    for command in ("bash", "dirname"):
        (tmp_path / "bin" / command).symlink_to(shutil.which(command))
    script = checkout / "tools" / "slurm_train.sh"
    result = launch(tmp_path, script, "gpu", "name", "config.py", "out", PATH=str(tmp_path / "bin"))
    assert result.returncode == 1
    assert result.stderr.startswith("error: no command srun")
