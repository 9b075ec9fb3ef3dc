"""Both doors for third parties: entry points of installed packages, and `custom_imports` of a config."""

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mmengine.registry import MODELS as ROOT_MODELS

from yolo_plugins import plugins
from yolo_plugins.cli import one_line_errors
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS, REGISTRIES

REPO = Path(__file__).resolve().parents[1]
REGISTER = "from yolo_plugins.registry import MODELS\n@MODELS.register_module()\nclass {}: ...\n"


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder on the path; what is imported and registered from it is forgotten afterwards."""
    for child in REGISTRIES:
        child.import_from_location()
    known = [(names, dict(names)) for child in REGISTRIES for names in (child.module_dict, child.parent.module_dict)]
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for names, before in known:
        names.clear()
        names.update(before)
    for name in {"my_nets", "faulty_net"} & sys.modules.keys():
        del sys.modules[name]


def install(site: Path, name: str, source: str, target: str = "") -> None:
    """A package of one module, with an entry point, as pip leaves it."""
    (site / f"{name}.py").write_text(source)
    info = site / f"{name}-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(f"[yolo_plugins.plugins]\nmine = {target or name}\n")


def load() -> tuple[plugins.Plugin, ...]:
    """What a process loads when a name is first looked up."""
    return importlib.reload(plugins).LOADED


def fault(site: Path, source: str, target: str = "") -> str:
    install(site, "faulty_net", source, target)
    with pytest.raises(UsageError) as caught:
        load()
    return str(caught.value)


def test_a_module_registers_what_it_decorates(site):
    install(site, "my_nets", REGISTER.format("MyNet"))
    (plugin,) = load()
    assert (plugin.name, plugin.distribution, plugin.version) == ("mine", "my-nets", "0.3")
    assert MODELS.get("MyNet").__module__ == "my_nets"


def test_a_function_is_called(site):
    source = "def register():\n" + textwrap.indent(REGISTER.format("MyNet"), "    ")
    install(site, "my_nets", source, "my_nets:register")
    load()
    assert MODELS.get("MyNet").__module__ == "my_nets"


def test_a_name_in_the_registry_of_mmengine_is_found(site):
    install(site, "my_nets", REGISTER.format("MyNet").replace("yolo_plugins", "mmengine"))
    load()
    assert MODELS.get("MyNet").__module__ == "my_nets"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere' ({file}:1)"),
        ("x = 1\ny = x.size", "AttributeError: 'int' object has no attribute 'size' ({file}:2)"),
        ("def f(:", "SyntaxError: invalid syntax (faulty_net.py, line 1)"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines ({file}:1)"),
        (
            REGISTER.format("YOLOv5CSP"),
            "type 'YOLOv5CSP' (model) is registered by yolo_plugins.models.backbones.yolov5_csp and by faulty_net; "
            "give one of them another name",
        ),
    ],
)
def test_a_faulty_plugin_is_named_with_its_package_fault_and_remedy(site, source, words):
    words = words.format(file=site / "faulty_net.py")
    remedy = "fix it, or pip uninstall faulty-net"
    assert fault(site, source) == f"plugin 'mine' (package faulty-net 0.3) cannot be loaded: {words}; {remedy}"


def test_an_entry_point_of_another_kind_is_refused(site):
    words = "TypeError: faulty_net:size is neither a module nor a function; fix it"
    assert words in fault(site, "size = 3", "faulty_net:size")


def test_a_name_of_ours_in_the_registry_of_mmengine_is_refused(site):
    """Ours would be built in its stead, without a word."""
    source = REGISTER.format("YOLOv5CSP").replace("yolo_plugins", "mmengine")
    names = "yolo_plugins.models.backbones.yolov5_csp and by faulty_net"
    assert fault(site, source) == f"type 'YOLOv5CSP' (model) is registered by {names}; give one of them another name"


def test_one_class_may_be_in_both_registries(site):
    both = "from mmengine.registry import MODELS as ROOT\nROOT.register_module(module=MyNet)\n"
    install(site, "my_nets", REGISTER.format("MyNet") + both)
    load()
    assert MODELS.get("MyNet") is ROOT_MODELS.get("MyNet")


def in_new_process(site: Path, code: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_plugins_come_after_ours_when_a_name_of_any_kind_is_first_looked_up(site):
    """Even one that looks names up itself while it is imported."""
    source = "import sys\nassert 'yolo_plugins.models' in sys.modules\n" + REGISTER.format("MyNet")
    install(site, "my_nets", source + "assert MODELS.get('YOLOv5CSP')\n")
    code = """
import sys
import yolo_plugins.testing
from yolo_plugins.registry import MODELS, VISUALIZERS
assert 'my_nets' not in sys.modules
VISUALIZERS.get('nothing')
assert 'my_nets' in sys.modules and MODELS.get('MyNet')
from yolo_plugins.plugins import LOADED
assert [plugin.distribution for plugin in LOADED] == ['my-nets']
"""
    result = in_new_process(site, code)
    assert result.returncode == 0, result.stderr


def test_a_name_that_a_config_took_before_us_is_refused_with_both(site):
    (site / "my_nets.py").write_text(REGISTER.format("YOLOv5CSP"))
    (site / "mine.py").write_text("custom_imports = dict(imports=['my_nets'])\nmodel = dict(type='YOLODetector')\n")
    code = """
from yolo_plugins.cli import one_line_errors
from yolo_plugins.config import load_config
with one_line_errors():
    load_config('mine.py')
    from yolo_plugins.registry import MODELS
    MODELS.get('YOLODetector')
"""
    result = in_new_process(site, code)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "error: type 'YOLOv5CSP' (model) is registered by my_nets and by yolo_plugins.models.backbones.yolov5_csp; "
        "give one of them another name"
    )
    assert "Traceback" not in result.stderr


def config_with(site: Path, **custom_imports) -> Path:
    path = site / "mine.py"
    path.write_text(f"_base_ = {str(REPO / 'configs' / 'yolov5_n_voc.py')!r}\ncustom_imports = {custom_imports!r}\n")
    return path


@pytest.mark.parametrize("imports", [["my_nets"], "my_nets"])
def test_custom_imports_of_a_config_replace_those_of_its_base(site, imports):
    (site / "my_nets.py").write_text(REGISTER.format("MyNet"))
    config = load_config(str(config_with(site, imports=imports)))
    assert config.custom_imports.imports == imports
    assert MODELS.get("MyNet").__module__ == "my_nets"
    assert MODELS.get("YOLOv5CSP")


@pytest.mark.parametrize(
    ("source", "imported", "words"),
    [
        (None, "my_nets", "ModuleNotFoundError: No module named 'my_nets'; put its folder on PYTHONPATH, or pip"),
        (
            "",
            "my_nets.deep",
            "No module named 'my_nets.deep'; 'my_nets' is not a package; put its folder on PYTHONPATH",
        ),
        ("import nowhere", "my_nets", "No module named 'nowhere' ({file}:1); fix it there"),
        ("x", "my_nets", "NameError: name 'x' is not defined ({file}:1); fix it there"),
        (
            REGISTER.format("YOLOv5CSP"),
            "my_nets",
            "type 'YOLOv5CSP' (model) is registered by yolo_plugins.models.backbones.yolov5_csp and by my_nets",
        ),
    ],
)
def test_custom_imports_that_fail_are_one_line_with_module_config_and_remedy(site, capsys, source, imported, words):
    if source is not None:
        (site / "my_nets.py").write_text(source)
    config = config_with(site, imports=[imported])
    with pytest.raises(SystemExit), one_line_errors():
        load_config(str(config))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: config {config}: custom_imports {imported!r} cannot be imported: ")
    assert words.format(file=site / "my_nets.py") in line


def test_custom_imports_may_come_from_the_command_line(site):
    (site / "my_nets.py").write_text(REGISTER.format("MyNet"))
    load_config("yolov5_n_voc", ["custom_imports.imports=['my_nets']"])
    assert MODELS.get("MyNet").__module__ == "my_nets"


def test_custom_imports_that_may_fail_are_a_warning(site):
    with pytest.warns(UserWarning, match="custom_imports 'nowhere' cannot be imported"):
        load_config(str(config_with(site, imports=["nowhere"], allow_failed_imports=True)))
