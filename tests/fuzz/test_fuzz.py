"""Every input of `all_inputs` ends as it should: no traceback, crash, hang, and no wrong value passes in silence."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.all_inputs import all_inputs
from fuzz.base import make_base
from fuzz.cases import Input, Verdict, fill, judge
from fuzz.server import Server
from fuzz.wrong_values import WRONG_VALUES

pytestmark = pytest.mark.slow
INPUTS = all_inputs()
SECONDS = float(os.environ.get("YOLO_PLUGINS_FUZZ_SECONDS", "20"))  # a busy machine needs more


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("fuzz") / "server.log")
    yield started
    started.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory, server) -> Path:
    return make_base(tmp_path_factory.mktemp("fuzz") / "base", server)


def run(case: Input, folder: Path, base: Path, server: Server) -> Verdict:
    fill(folder, base, case)
    kept = {name: (folder / name).read_bytes() for name in case.keeps}
    environment = {"YOLO_PLUGINS_CACHE": str(folder / "cache"), **case.environment}
    answer = server.run(case.command, folder, SECONDS, environment, case.prelude)
    return judge(case, folder, answer, kept)


@pytest.mark.parametrize("name", INPUTS)
def test_input_ends_in_one_line_or_in_the_right_result(name, tmp_path, base, server, record_property):
    verdict = run(INPUTS[name], tmp_path / "here", base, server)
    shutil.rmtree(tmp_path / "here")
    record_property("kind", verdict.kind)
    assert verdict.kind in ("refused", "accepted"), f"{verdict.kind}: {verdict.fault}"


def test_at_least_600_inputs_over_all_tools():
    tools = {case.tool for case in INPUTS.values()}
    folder = Path(__file__).resolve().parents[2] / "tools"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".py", ".sh")}
    assert tools == files - {"_torchrun.sh"}
    assert len(INPUTS) >= 600


def test_sixty_wrong_values_are_written_down():
    assert len(WRONG_VALUES) == 60
    assert set(WRONG_VALUES) <= set(INPUTS)
