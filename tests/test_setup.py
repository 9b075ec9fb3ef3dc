"""The set-up: what it refuses and with which remedy, and that a broken one is never taken for a finished one."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

REPO = Path(__file__).resolve().parents[1]
EXTRAS = ("runtime", "build", "backbones", "analysis", "dev", "docs")


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(REPO / "requirements", tmp_path / "requirements")
    shutil.copy(REPO / "setup.py", tmp_path)
    return tmp_path


@pytest.fixture
def setup_env(checkout):
    """The script of a checkout that has no .venv."""
    spec = importlib.util.spec_from_file_location("setup_env", checkout / "requirements" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fake_steps(setup_env, monkeypatch):
    """Puts harmless commands in the place of the real ones: `fake_steps(code, ...)`, one step each."""
    for check in ("check_python", "check_compiler", "check_disk"):
        monkeypatch.setattr(setup_env, check, lambda: None)
    monkeypatch.setattr(setup_env, "IMPORTS", "pass")
    monkeypatch.setattr(setup_env, "_venv_run", lambda code: [sys.executable, "-c", code])
    monkeypatch.setattr(setup_env, "change_operators", lambda operators: [mmcv_step(setup_env, operators)])

    def put(*codes):
        packages(setup_env).mkdir(parents=True, exist_ok=True)
        steps = [setup_env.Step(f"step {code}", [sys.executable, "-c", code]) for code in codes]
        monkeypatch.setattr(setup_env, "install_packages", lambda: steps)

    return put


def packages(setup_env):
    return setup_env.VENV / setup_env.PACKAGES.replace("*", "3.11")


def mmcv_step(setup_env, operators):
    """A step that puts an empty file in the place of compiled operators, or takes it away."""
    folder = packages(setup_env) / "mmcv"
    folder.mkdir(exist_ok=True)
    change = "touch()" if operators else "unlink()"
    code = f"import pathlib; pathlib.Path({str(folder / '_ext.so')!r}).{change}"
    return setup_env.Step("mmcv", [sys.executable, "-c", code])


def test_finished_set_up_is_not_repeated(setup_env, fake_steps, capsys):
    fake_steps("print('once')")
    assert setup_env.main() == 0
    fake_steps("raise SystemExit('twice')")
    assert setup_env.main() == 0
    assert capsys.readouterr().out.endswith("set-up is up to date\n")


def test_operators_are_compiled_and_taken_out_on_request_and_stay_as_they_are_otherwise(
    setup_env, fake_steps, monkeypatch, capsys
):
    monkeypatch.setattr(setup_env, "_operators_load", setup_env.has_operators)
    for choice, compiled in (("", False), ("1", True), ("", True), ("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("OPS", choice)
        changes = compiled != setup_env.has_operators()
        fake_steps("pass")
        assert setup_env.main() == 0
        assert setup_env.has_operators() == compiled
        assert ("- mmcv\n" in capsys.readouterr().out) == changes
    monkeypatch.setenv("OPS", "yes")
    assert setup_env.main() == 1
    assert (
        capsys.readouterr().err
        == "error: OPS=yes: make setup OPS=1 compiles mmcv's operators, OPS=0 leaves them out again\n"
    )


def test_operators_that_were_compiled_for_another_torch_are_compiled_again(setup_env, fake_steps, monkeypatch, capsys):
    fake_steps("pass")
    mmcv_step(setup_env, True)
    (packages(setup_env) / "mmcv" / "_ext.so").touch()
    monkeypatch.setattr(setup_env, "_operators_load", lambda: False)
    assert setup_env.main() == 0
    assert "- mmcv\n" in capsys.readouterr().out


def test_each_python_of_the_environment_finds_the_stand_in(setup_env, fake_steps, checkout):
    fake_steps("pass")
    setup_env.main()
    hook = (packages(setup_env) / "mmcv_hook.pth").read_text()
    assert hook.startswith("import ") and hook.count("\n") == 1  # or Python takes it for a folder
    (checkout / "mmcv").mkdir()
    (checkout / "mmcv" / "__init__.py").touch()
    code = f"{hook}print('yolo_plugins' in sys.modules)\n"
    code += "from importlib.util import find_spec\nprint(find_spec('mmcv._ext').origin)"
    environment = dict(os.environ, PYTHONPATH=f"{checkout}{os.pathsep}{REPO}")
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["False", str(REPO / "yolo_plugins" / "mmcv_ops.py")]


def test_changed_requirement_repeats_the_set_up(setup_env, fake_steps):
    fake_steps("pass")
    setup_env.main()
    with (setup_env.REQUIREMENTS / "dev.txt").open("a") as file:
        file.write("another\n")
    assert not setup_env.is_up_to_date(operators=False)


def test_moved_checkout_repeats_the_set_up(setup_env, fake_steps, monkeypatch, checkout):
    fake_steps("pass")
    setup_env.main()
    moved = shutil.copytree(checkout, checkout / "elsewhere")
    monkeypatch.setattr(setup_env, "ROOT", moved)
    assert not setup_env.is_up_to_date(operators=False)


def test_each_step_is_announced_and_timed(setup_env, fake_steps, capsys):
    fake_steps("print('to', 'the log')", "pass")
    setup_env.main()
    out = capsys.readouterr().out
    assert "- step print" in out
    assert re.search(r"- step pass\n      done in \d+ s\n", out)
    assert re.search(r"Set-up done in \d+ s and 0 s for downloads", out)
    assert "to the log" not in out
    assert "to the log" in setup_env.LOG.read_text()


def test_downloads_are_timed_apart(setup_env, fake_steps, capsys):
    lines = "time.sleep(0.6)", "print('  Downloading torch')", "time.sleep(1.2)", "print('Installing')"
    fake_steps("import time; " + "; ".join(lines))
    setup_env.main()
    assert re.search(r"      done in \d+ s and [1-9]\d* s for downloads\n", capsys.readouterr().out)


def test_failed_step_ends_in_one_line_and_the_next_run_continues(setup_env, fake_steps, capsys):
    fake_steps("pass")
    setup_env.main()
    (setup_env.REQUIREMENTS / "dev.txt").write_text("changed\n")
    fake_steps("raise ImportError('libGL.so.1: cannot open shared object file')", "print('never')")
    assert setup_env.main() == 1
    error = capsys.readouterr().err
    assert error.startswith("error: libGL.so.1 is missing")
    assert "apt-get install libgl1 libglib2.0-0" in error
    assert error.count("\n") == 1
    assert not setup_env.STAMP.exists()
    assert "never" not in setup_env.LOG.read_text()
    fake_steps("pass")
    assert setup_env.main() == 0
    assert setup_env.is_up_to_date(operators=False)


def test_interrupted_step_leaves_no_stamp_and_no_process(setup_env, fake_steps, monkeypatch, capsys):
    fake_steps("import time; time.sleep(60)")
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, command, **options):
            super().__init__(command, **options)
            if "sleep" in command[-1]:
                started.append(self)
                self.stdout.close()
                self.stdout = interruption()

    def interruption():
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(setup_env.subprocess, "Popen", Interrupted)
    assert setup_env.main() == 130
    assert capsys.readouterr().err == "interrupted; the next run continues from here\n"
    assert started[0].returncode != 0
    assert not setup_env.STAMP.exists()


def test_second_set_up_at_the_same_time_is_refused(setup_env, fake_steps, capsys):
    fake_steps("pass")
    with setup_env.LOG.open("ab") as other:
        setup_env.fcntl.flock(other, setup_env.fcntl.LOCK_EX)
        assert setup_env.main() == 1
    assert "another set-up is at work" in capsys.readouterr().err


def test_half_made_environment_is_made_anew(setup_env):
    assert not setup_env._venv_works()
    python = setup_env.VENV / setup_env.PYTHON
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert not setup_env._venv_works()
    assert setup_env.make_venv()[0].command == [sys.executable, "-m", "venv", "--clear", str(setup_env.VENV)]


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 14)])
def test_other_python_is_refused_with_the_remedy(setup_env, version):
    with pytest.raises(
        setup_env.SetupError, match=r"python3\.11 or .* or python3\.13 will: .*make setup PYTHON=python3"
    ):
        setup_env.check_python(version)


def test_python_without_its_headers_compiles_no_operators(setup_env, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(setup_env.SetupError, match=r"Python\.h.*OPS=1.*apt-get install python3\.\d+-dev"):
        setup_env.check_compiler()
    setup_env.check_python()


def test_python_without_ensurepip_is_refused(setup_env, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(setup_env.SetupError, match=r"apt-get install python3\.\d+-venv"):
        setup_env.check_python()


def test_machine_without_compiler_compiles_no_operators_and_says_so_in_one_line(checkout):
    script = checkout / "requirements" / "setup_env.py"
    environment = dict(os.environ, PATH=str(checkout), CXX="c++", OPS="1")
    result = subprocess.run([sys.executable, "-SE", script], env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: no C++ compiler (c++)")
    assert result.stderr.endswith("apt-get install build-essential\n")
    assert result.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_small_disk_is_refused_with_both_numbers(setup_env, monkeypatch):
    monkeypatch.setattr(setup_env.shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * setup_env.GIB))
    with pytest.raises(setup_env.SetupError, match=r"2\.0 GiB free .* needs \d+\.\d: make room"):
        setup_env.check_disk()


def test_disk_may_be_smaller_once_torch_is_installed(setup_env, monkeypatch):
    monkeypatch.setattr(setup_env.shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * setup_env.GIB))
    (packages(setup_env) / "torch-2.11.0.dist-info").mkdir(parents=True)
    setup_env.check_disk()


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        (
            "WARNING: Retrying (...) after connection broken by 'NewConnectionError'\n"
            "ERROR: Cannot install pip because these package versions have conflicting dependencies.\n"
            "ERROR: ResolutionImpossible: for help visit ...",
            "no package index answers",
        ),
        (
            "WARNING: Retrying after connection broken by 'ConnectTimeoutError'\n"
            "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)",
            "no package index answers",
        ),
        ("ERROR: HTTPSConnectionPool(host='a', port=443): Read timed out.", "no package index answers"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "make setup OPS=1 MAX_JOBS=1"),
        ("ImportError: libGL.so.1: cannot open shared object file", "apt-get install libgl1"),
        ("ImportError: /usr/lib/libgthread-2.0.so.0: file too short", "libgthread-2.0.so.0 is missing or broken"),
        ("Collecting x\nERROR: No matching distribution found for x==9\n", "No matching distribution found for x==9"),
        ("one\ntwo\n", "two"),
        ("", "no output"),
    ],
)
def test_failed_command_is_explained(setup_env, output, remedy):
    assert remedy in setup_env.explain(output)
    assert "\n" not in setup_env.explain(output)


def test_compile_error_after_a_hiccup_of_the_network_is_not_blamed_on_the_network(setup_env):
    output = "WARNING: Retrying after connection broken by 'ReadTimeoutError'\nerror: command 'c++' failed\n"
    assert setup_env.explain(output) == "command 'c++' failed"


def test_compilers_at_a_time_follow_the_environment(setup_env, monkeypatch):
    monkeypatch.setenv("MAX_JOBS", "3")
    assert setup_env._jobs() == 3
    monkeypatch.delenv("MAX_JOBS")
    assert 1 <= setup_env._jobs() <= os.cpu_count()


def requirement_lines(name):
    lines = (REPO / "requirements" / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def distribution(requirement):
    """`Some_Package>=1` -> `some-package`."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return canonicalize_name(Requirement(requirement.split("#")[0]).name)


@pytest.mark.parametrize("name", EXTRAS)
def test_each_dependency_has_a_reason_and_a_proven_version(name):
    pins = {distribution(line): line for line in requirement_lines("constraints")}
    for line in requirement_lines(name):
        assert len(line.partition("#")[2].strip()) > 5, f"{line}: say why it is needed"
        assert "==" in pins[distribution(line)]


def test_constraints_are_versions_that_meet_the_requirements():
    from packaging.requirements import Requirement

    pins = {
        distribution(line): line.split("#")[0].strip().partition("==")[2] for line in requirement_lines("constraints")
    }
    for line in (line for name in EXTRAS for line in requirement_lines(name)):
        requirement = Requirement(line.split("#")[0])
        assert requirement.specifier.contains(pins[distribution(line)]), line


def test_package_version_is_read_without_importing_the_package():
    import yolo_plugins

    command = [sys.executable, "setup.py", "--version"]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == yolo_plugins.__version__


def test_pyproject_holds_tool_settings_only():
    assert set(tomllib.loads((REPO / "pyproject.toml").read_text())) == {"tool"}
