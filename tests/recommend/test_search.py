"""Other backbones under a neck and a head: which match, which are counted, and that what is written trains."""

import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from yolo_plugins.config import config_differences, load_config
from yolo_plugins.costs.meta import count_config
from yolo_plugins.errors import UsageError
from yolo_plugins.files import REPO
from yolo_plugins.recommend import counts
from yolo_plugins.recommend import run as run_module
from yolo_plugins.recommend.advice import Budget
from yolo_plugins.recommend.cache import Cache
from yolo_plugins.recommend.counts import cached_counter
from yolo_plugins.recommend.run import recommend
from yolo_plugins.recommend.search import Search, find_entries, proposed_networks, write_config
from yolo_plugins.registry import MODELS

NET = "timm.mobilenetv3_small_050"
TINY = ["img_size=64", "model.neck.widen_factor=0.125"]


@pytest.fixture(scope="module")
def models(make_models):
    """The study, at 64 pixels."""
    return make_models(input_h=64, input_w=64)


@pytest.fixture
def make_search(tmp_path):
    """A search whose configs go to a folder of the test."""
    return lambda *patterns, base="yolov5_mobilenetv4_voc", **more: Search(patterns, base, tmp_path / "found", **more)


def names(found):
    return [name for name, _ in found]


def test_patterns_are_of_whole_names_of_any_package(make_search):
    found = names(find_entries(make_search("timm.mobilenetv3_small_0*", "mmpretrain.RepVGG(arch='A[01]')")))
    assert NET in found and {"mmpretrain.RepVGG(arch='A0')", "mmpretrain.RepVGG(arch='A1')"} <= set(found)
    assert all(name.startswith(("timm.mobilenetv3_small_0", "mmpretrain.RepVGG")) for name in found)
    with pytest.raises(UsageError, match=r"--search mobilenetv3: no backbone is called so; try 'timm.mobilenet\*'"):
        find_entries(make_search("mobilenetv3"))


def test_a_sample_depends_on_the_seed_only(make_search):
    everything = names(find_entries(make_search("timm.resnet*")))
    sample = names(find_entries(make_search("timm.resnet*", sample=3)))
    assert sample == everything[:3] == names(find_entries(make_search("timm.resnet*", sample=3)))
    assert sample != names(find_entries(make_search("timm.resnet*", sample=3, seed=1)))


def test_networks_are_proposed_with_their_counts_which_are_kept(make_search, models, tmp_path, monkeypatch):
    search, count = make_search(NET, "timm.mobilenetv3_small_075"), cached_counter(Cache(tmp_path / "counts"))
    found, left_out = proposed_networks(search, models, TINY, count, math.inf, lambda network: "")
    assert [network.name for network in found] == [NET, "timm.mobilenetv3_small_075"]
    assert found[0].candidate.row["macs"] < found[1].candidate.row["macs"]
    assert found[0].file == tmp_path / "found" / "yolov5_mobilenetv4_voc_timm_mobilenetv3_small_050.py"
    assert (found[0].input_hw, left_out.names) == ((64, 64), {})

    monkeypatch.setattr(counts, "count_config", lambda *_: pytest.fail("counted again"))
    again, _ = proposed_networks(search, models, TINY, count, math.inf, lambda network: "")
    assert [network.candidate.row for network in again] == [network.candidate.row for network in found]


def test_what_is_not_wanted_or_not_reached_is_left_out_by_reason(make_search, models, tmp_path):
    found, left_out = proposed_networks(
        make_search(NET), models, TINY, count_config, math.inf, lambda network: "too slow"
    )
    assert (found, left_out.names) == ([], {"too slow": [NET]})
    found, left_out = proposed_networks(make_search(NET), models, TINY, count_config, -math.inf, lambda network: "")
    assert (found, left_out.count) == ([], 1) and "not reached in the time" in str(left_out)


def test_a_base_that_is_unlike_the_models_is_refused(make_search, models, tmp_path):
    with pytest.raises(UsageError, match=r"--base .*yolov5_mobilenetv4_voc.py: it is for 320 x 320 pixels"):
        proposed_networks(make_search(NET), models, (), count_config, math.inf, lambda network: "")


@pytest.mark.parametrize(
    ("base", "options"),
    [
        ("yolov5_mobilenetv4_voc", []),
        ("yolov5_n_voc", []),
        ("yolov5_n_voc", ["model.backbone.widen_factor=0.5"]),
        ("yolov5_mobilenetv4_voc", ["model.backbone.net.model_name=resnet18"]),
    ],
    ids=["of a wrapped backbone", "of another backbone", "with an option of its backbone", "with an option of its net"],
)
def test_the_config_that_is_written_builds_what_was_counted(make_search, models, tmp_path, base, options):
    search = make_search(NET, base=base)
    (network,), _ = proposed_networks(search, models, [*TINY, *options], count_config, math.inf, lambda network: "")
    write_config(network, search.base)
    program, command, path, flag, *given = shlex.split(network.command)
    assert [program, command, Path(path), flag] == ["yolo-plugins", "train", network.file, "--cfg-options"]
    config = load_config(path, given)
    detector = MODELS.build(config.model)
    assert sum(parameter.numel() for parameter in detector.parameters()) == network.candidate.row["params"]
    assert config.model.backbone.net.model_name == "mobilenetv3_small_050"


def test_the_config_that_is_written_is_whole_and_needs_no_file_of_this_machine(
    make_search, models, tmp_path, monkeypatch
):
    search = make_search(NET)
    (network,), _ = proposed_networks(search, models, TINY, count_config, math.inf, lambda network: "")
    write_config(network, search.base)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    network.file.rename(elsewhere / "mine.py")
    monkeypatch.chdir(elsewhere)
    assert str(REPO) not in (text := Path("mine.py").read_text()) and "_base_" not in text
    changed = config_differences(load_config(search.base), load_config("mine.py"))
    assert {line.split(":")[0] for line in changed} == {"model.backbone.net.model_name", "work_dir"}


def test_the_command_that_is_printed_trains_what_was_found(make_bench, make_search, models, tmp_path, monkeypatch):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "yolov5_n_voc.py").write_text(f"_base_ = {str(REPO / 'configs' / 'yolov5_n_voc.py')!r}\n")
    configs = run_module.config_networks
    monkeypatch.setattr(run_module, "config_networks", lambda *arguments: configs(*arguments, folder))
    options = [*TINY, f"data_root={make_pictures(tmp_path)}", "train_cfg.max_epochs=1"]
    options += ["train_dataloader.batch_size=2", "train_dataloader.num_workers=0", "val_dataloader.num_workers=0"]
    search = make_search(NET)
    bench = make_bench({"yolov5_n_voc (not as measured)": 20.0}).bench  # its neck is not that of the study's
    said = recommend(bench, Budget(10.0), models, cfg_options=options, search=search)
    assert "Other backbones, found by --search:" in said
    (command,) = re.findall(rf"^  (yolo-plugins train {re.escape(str(search.folder))}.*)", said, re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    train = [sys.executable, "-m", "yolo_plugins", *shlex.split(command)[1:], "--work-dir", str(tmp_path / "run")]
    result = subprocess.run(train, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert '"status": "complete"' in (tmp_path / "run" / "record.json").read_text()


def make_pictures(folder: Path) -> Path:
    from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc

    make_synthetic_voc(folder / "VOCdevkit", train=4, test=2, seed=0)
    return folder / "VOCdevkit"
