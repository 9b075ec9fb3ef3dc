"""The house map, enforced: imports go down only, tools and configs stay thin, what is imported is declared."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / "yolo_plugins"
TOOLS = sorted((REPO / "tools").rglob("*.py"))
STUDIES = sorted((REPO / "configs").glob("study_*.py"))
LEAVES = sorted(set((REPO / "configs").glob("*.py")) - set(STUDIES))
COMMANDS = sorted(path for path in (PACKAGE / "commands").glob("*.py") if path.stem != "__init__")


def read_ladder() -> dict[str, set[str]]:
    """Room -> the rooms that it may import, from the block of docs/design.md that says so."""
    page = (REPO / "docs" / "design.md").read_text()
    block = page.partition("Imports go down only")[2].partition("```\n")[2].partition("```")[0]
    below: dict[str, set[str]] = {}
    for line in block.replace("\n    <-", " <-").splitlines():
        lower: set[str] = set()
        for row in line.split(" <- ") if "<-" in line else []:
            rooms = set(row.split(", "))
            for room in rooms:
                below.setdefault(room, set()).update(lower)
            lower |= rooms
    for room in below:  # parts of the models, which have lines of their own, stand where the models stand
        if room.startswith("models."):
            below[room] |= below["models"]
    return below


# A module belongs to the longest name that it starts with, and every module belongs to one.
BELOW = {**read_ladder()}


def module_name(path: Path) -> str:
    """`yolo_plugins/models/layers/__init__.py` -> `models.layers`; the package itself is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported_names(path: Path) -> set[str]:
    """Absolute dotted names of all that a file imports, also within functions; `from a import b` counts as `a.b`."""
    package = ["yolo_plugins", *path.parent.relative_to(PACKAGE).parts] if path.is_relative_to(PACKAGE) else []
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def own_imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, the package's name left out."""
    names = {name.partition(".")[2] for name in imported_names(path) if name.split(".")[0] == "yolo_plugins"}
    return {name if is_module(name) else name.rpartition(".")[0] for name in names}


def room(module: str) -> str:
    return max((name for name in BELOW if f"{module}.".startswith(f"{name}.")), key=len, default="")


def is_below(imported: str, own_room: str) -> bool:
    return any(f"{imported}.".startswith(f"{name}.") for name in BELOW[own_room]) or room(imported) == own_room


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if module_name(path) not in ("", "models")]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_down_only(path):
    own_room = room(module_name(path))
    assert own_room, f"{module_name(path)} is in no room: give its folder a line in BELOW and in docs/design.md"
    for imported in own_imports(path) - {""}:
        assert is_below(imported, own_room), (
            f"{module_name(path)} imports {imported}: {own_room} stands on {sorted(BELOW[own_room])} alone"
        )


def test_every_room_exists():
    assert [name for name in BELOW if not is_module(name)] == []


def test_no_room_stands_on_itself():
    for name, below in BELOW.items():
        reached = set(below)
        while more := set().union(*(BELOW[room] for room in reached)) - reached:
            reached |= more
        assert name not in reached, f"{name} stands on a room that stands on it"


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import yolo_plugins.registry", {"registry"}),
        ("from yolo_plugins import registry, __version__", {"registry", ""}),
        ("from yolo_plugins.models.layers import C3", {"models.layers"}),
        ("def f():\n    from ..necks import yolov5_pafpn", {"models.necks.yolov5_pafpn"}),
        ("from . import x\nimport torch", {"models.backbones"}),
    ],
)
def test_every_form_of_import_is_seen(monkeypatch, source, imported):
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: source)
    assert own_imports(PACKAGE / "models" / "backbones" / "new.py") == imported


def loads_torch(code: str) -> bool:
    """Whether a fresh interpreter that runs `code`, which may exit with status 0, has imported torch then."""
    watched = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code\n"
    command = [sys.executable, "-c", watched + "print('torch' in sys.modules)"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPO).stdout.endswith("True\n")


@pytest.mark.parametrize("rooms", [("cli", "config", "record"), ("study.tables", "study.laws", "study.report")])
def test_what_reads_files_loads_no_torch(rooms):
    modules = [name for name in map(module_name, MODULES) if room(name) in rooms]
    assert not loads_torch("import " + ", ".join(f"yolo_plugins.{module}" for module in modules))


def test_no_module_is_longer_than_400_lines():
    assert [path for path in PACKAGE.rglob("*.py") if len(path.read_text().splitlines()) > 400] == []


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_tools_are_doors_to_the_commands(path):
    assert len(path.read_text().splitlines()) <= 6
    (imported,) = own_imports(path)
    assert imported in map(module_name, COMMANDS)


def test_every_command_has_a_door():
    assert sorted(module for path in TOOLS for module in own_imports(path)) == [*map(module_name, COMMANDS)]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_commands_are_thin_and_stand_alone(path):
    assert len(path.read_text().splitlines()) <= 100
    assert not own_imports(path) & {*map(module_name, COMMANDS), "commands"}


def test_nothing_in_the_package_imports_tools_configs_or_tests():
    for path in PACKAGE.rglob("*.py"):
        assert not {"tools", "configs", "tests"} & {name.split(".")[0] for name in imported_names(path)}, path


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_config_leaves_are_short_and_open_with_their_command(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 20
    assert re.search(rf"yolo-plugins train \S*{path.stem}\b", ast.get_docstring(ast.parse(text)))


def bases(config: Path) -> list[Path]:
    """The files that a config names in `_base_`."""
    values = [
        ast.literal_eval(node.value)
        for node in ast.parse(config.read_text()).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["_base_"]
    ]
    names = values[0] if values else []
    return [(config.parent / name).resolve() for name in ([names] if isinstance(names, str) else names)]


def levels(config: Path) -> list[set[Path]]:
    """Files that a config draws on, level by level: itself, its bases, theirs ..."""
    floors = [{config}]
    while below := {base for path in floors[-1] for base in bases(path)}:
        floors.append(below)
    return floors


@pytest.mark.parametrize("path", LEAVES + STUDIES, ids=lambda path: path.stem)
def test_configs_inherit_over_three_levels_at_most_and_from_four_files(path):
    floors = levels(path)
    assert len(floors) <= 3
    assert len(set().union(*floors)) <= 5, "itself, model, data set, schedule, runtime"


def test_only_schedules_have_a_base_of_their_own_and_it_is_the_runtime():
    runtime = REPO / "configs" / "_base_" / "default_runtime.py"
    for path in (REPO / "configs" / "_base_").rglob("*.py"):
        assert bases(path) == ([runtime] if path.parent.name == "schedules" else []), path


def test_every_base_is_used():
    assert set().union(*(set().union(*levels(path)) for path in LEAVES + STUDIES)) == set(
        (REPO / "configs").rglob("*.py")
    )


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_studies_open_with_their_command(path):
    assert f"yolo-plugins study {path.stem}" in ast.get_docstring(ast.parse(path.read_text()))


def declared(*names: str) -> set[str]:
    lines = [line for name in names for line in (REPO / "requirements" / f"{name}.txt").read_text().splitlines()]
    return {
        canonicalize_name(Requirement(text).name) for text in (line.split("#")[0].strip() for line in lines) if text
    }


@pytest.mark.parametrize("path", [*sorted(PACKAGE.rglob("*.py")), *TOOLS], ids=lambda path: str(path.relative_to(REPO)))
def test_what_is_imported_is_declared(path):
    names = (
        "costs",
        "doctor",
        "pages",
        "study",
        "recommend",
        "labels_overview",
        "collect_complexity",
        "result",
        "benchmark_figure",
    )
    analysis = dict.fromkeys(names, "analysis")
    parts = path.relative_to(REPO).with_suffix("").parts
    extras = {
        extra
        for part, extra in (analysis | {"backbones": "backbones", "export": "export", "tensorrt": "tensorrt"}).items()
        if part in parts
    }
    allowed = declared("runtime", *extras)
    providers = packages_distributions()
    for top in {name.split(".")[0] for name in imported_names(path)} - sys.stdlib_module_names - {"yolo_plugins"}:
        distributions = {canonicalize_name(name) for name in providers.get(top, [top])}
        assert distributions & allowed, f"{top} comes with {distributions}, which requirements/*.txt does not name"
