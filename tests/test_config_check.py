"""What a resolved config may say."""

import inspect

import pytest
from mmengine.runner import Runner

from yolo_plugins.config import load_config
from yolo_plugins.config_check import KNOWN_KEYS, check_config, require
from yolo_plugins.errors import UsageError


def refusal(option: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_config("yolov5_n_voc", [option])
    assert "\n" not in str(caught.value)
    return str(caught.value)


WHOLE = ("0", "-1", "2.5", "'8'", "True", "nan", "1e9", "None", "[1]")
OUTSIDE = ("-0.1", "1.1", "nan", "1e999", "'x'", "True", "None")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("train_dataloader.batch_size", WHOLE),
        ("val_dataloader.batch_size", WHOLE),
        ("train_cfg.max_epochs", WHOLE),
        ("train_cfg.val_interval", WHOLE),
        ("model.bbox_head.num_classes", WHOLE),
        ("model.test_cfg.nms_pre", WHOLE),
        ("model.test_cfg.max_per_img", WHOLE),
        ("default_hooks.checkpoint.interval", WHOLE),
        ("default_hooks.checkpoint.max_keep_ckpts", ("0", "-2", "1.5", "True")),
        ("train_dataloader.num_workers", ("-1", "1.5", "100000", "None", "True")),
        ("train_dataloader.dataset.share", ("0", "-0.5", "1.5", "nan", "'half'", "True")),
        ("train_dataloader.dataset.indices", ("0", "-1", "nan", "[-1]", "['a']")),
        ("img_size", ("0", "-32", "1000000", "2.5", "'x'", "(320, 416, 3)", "(0, 32)", "True", "[]")),
        ("model.test_cfg.score_thr", OUTSIDE),
        ("model.test_cfg.iou_threshold", OUTSIDE),
        ("optim_wrapper.optimizer.lr", ("0", "-1", "nan", "1e999", "101", "'x'", "True", "None")),
        ("optim_wrapper.optimizer.momentum", ("-0.1", "1", "nan", "None")),
        ("optim_wrapper.optimizer.weight_decay", OUTSIDE),
        ("optim_wrapper.clip_grad.max_norm", ("0", "-1", "1e999", "nan")),
        ("default_hooks.param_scheduler.peak", ("0", "-1", "nan", "None")),
        ("default_hooks.param_scheduler.final", OUTSIDE),
        ("train_dataloader.dataset.pipeline.2.prob", OUTSIDE),
        ("model.backbone.widen_factor", ("0", "-1", "1e9", "nan", "True")),
        ("model.freeze", ("-1", "neck", "True", "1.5")),
        ("model.norm_eval", ("1", "yes")),
        ("multi_scale", ("-0.1", "1", "nan", "(320, 640)", "True")),
        ("class_weights", ("even", "-1", "2", "[1, -1]", "[1, nan]", "dict(cat=-1)", "dict(cat='2')", "True")),
        ("randomness.seed", ("-1", "4294967296", "1.5", "'x'", "True")),
        ("train_dataloader.sampler.shuffle", ("maybe", "1")),
        ("train_dataloader.sampler", ("None",)),
        ("train_dataloader.dataset.pipeline", ("[dict(a=1)]", "[1]")),
        ("train_dataloader.dataset.metainfo.classes", ("person", "('a', 1)")),
        ("data_root", ("None", "2007", "''")),
        ("default_scope", ("nopackage",)),
        ("log_level", ("loud",)),
        ("env_cfg.mp_cfg.mp_start_method", ("spork",)),
        ("model.backbone", ("None",)),
        ("model.init_cfg", ("x", "3", "[3]", "dict(a=1)")),
        ("model.backbone.init_cfg", ("x", "dict(type='Pretrained',checkpoint=3)", "dict(type='Pretrained',prefix=3)")),
        ("custom_imports.imports", ("[3]", "['os', None]")),
        ("train_dataloader.dataset.clip", ("x", "1")),
        ("default_hooks.param_scheduler.warmup_epochs", ("-1", "nan")),
    ],
)
def test_a_value_of_another_type_or_out_of_its_range_is_named(key, values):
    for value in values:
        said = refusal(f"{key}={value}")
        assert key in said, said
        assert "give" in said, said


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("randomness.sead=1", "randomness takes no 'sead'; did you mean 'seed'?"),
        ("env_cfg.foo=1", "env_cfg takes no 'foo'; it takes cudnn_benchmark"),
        ("custom_imports.import=['x']", "custom_imports takes no 'import'; did you mean 'imports'?"),
        ("optim_wrapper.clip_grad.max_nrm=1", "optim_wrapper.clip_grad takes no 'max_nrm'; did you mean 'max_norm'?"),
        ("model.test_cfg.score_thrs=0.1", "model.test_cfg has an unknown key 'score_thrs'; did you mean 'score_thr'?"),
        ("default_hooks.emma=None", "no hook of this name; did you mean 'ema'?"),
        ("val_evaluator=None", "val_dataloader stands without val_evaluator"),
        ("optim_wrapper=None", "train_dataloader stands without optim_wrapper"),
    ],
)
def test_a_key_that_nobody_reads_and_a_part_without_its_others_are_named(option, sentence):
    assert sentence in refusal(option)


@pytest.mark.parametrize("name", ["trian_cfg", "optim_wraper", "train_dataloder", "default_hook", "custom_hoks"])
def test_a_slip_at_the_top_of_a_config_is_named(name):
    with pytest.raises(UsageError, match=rf"config own.py: the config has an unknown key '{name}'; did you mean"):
        check_config({"model": {"type": "A"}, name: {}}, "own.py")


def test_variables_of_ones_own_may_stand_beside_the_keys():
    names = (
        "pipeline",
        "train_pipeline",
        "test_pipeline",
        "norm_cfg",
        "act_cfg",
        "classes",
        "dataset_type",
        "img_scale",
    )
    check_config({"model": {"type": "A"}, **dict.fromkeys(names, 1)}, "own.py")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"model": "x"},
        {"model": {}},
        {"model": None},
        *({"model": {"type": "A"}, key: []} for key in ("train_cfg", "env_cfg")),
    ],
)
def test_a_config_without_its_parts_is_refused(content):
    with pytest.raises(UsageError, match=r"config own\.py: "):
        check_config(content, "own.py")


def test_a_value_that_cannot_be_written_down_is_refused():
    with pytest.raises(UsageError, match=r"model\.act is <function"):
        check_config({"model": {"type": "A", "act": lambda: 1}}, "own.py")


def test_nan_is_refused_wherever_it_stands():
    with pytest.raises(UsageError, match=r"model\.mean\.1 is nan"):
        check_config({"model": {"type": "A", "mean": [1.0, float("nan")]}}, "own.py")


def test_what_a_tool_works_on_has_to_be_there():
    require({"train_dataloader": {}}, "train_dataloader")
    with pytest.raises(UsageError, match="the config has no test_dataloader"):
        require({"test_dataloader": None}, "test_dataloader")


def test_every_argument_of_mmengines_runner_is_a_known_key():
    assert set(inspect.signature(Runner).parameters) - {"cfg"} <= KNOWN_KEYS
