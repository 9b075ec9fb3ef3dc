"""Values of options: each key with what it must refuse, on the command line of training; the notation itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input

_NO_COUNT = ("0", "-1", "2.5", "nan", "x", "[4]", "'4'")
_NO_SHARE = ("2", "-1", "nan", "x", "inf")
_NO_RATE = ("-0.1", "nan", "inf", "x", "[0.1]")
_NO_PART = ("3", "x", "[]", "None")
_SCHEDULE = "default_hooks.param_scheduler"
# Key of the config -> values that no training can have.
REFUSED: dict[str, tuple[str, ...]] = {
    "train_dataloader.batch_size": _NO_COUNT,
    "val_dataloader.batch_size": ("0", "-1", "2.5", "x"),
    "train_dataloader.num_workers": ("-1", "1.5", "x"),
    "train_dataloader.drop_last": ("x",),
    "train_cfg.max_epochs": ("0", "-3", "nan", "1.5", "x", "None", "inf"),
    "train_cfg.val_interval": ("0", "-1", "x", "1.5"),
    "train_cfg.type": ("Foo", "3"),
    "optim_wrapper.optimizer.lr": (*_NO_RATE, "None"),
    "optim_wrapper.optimizer.momentum": ("2", "-0.1", "nan", "x"),
    "optim_wrapper.optimizer.weight_decay": ("-1", "nan", "inf", "x"),
    "optim_wrapper.optimizer.type": ("Foo", "3", "None"),
    "optim_wrapper.clip_grad.max_norm": ("-1", "nan", "x"),
    "optim_wrapper.amp": ("x",),
    "optim_wrapper.type": ("Foo",),
    "optim_wrapper.constructor": ("Foo",),
    "model.test_cfg.score_thr": _NO_SHARE,
    "model.test_cfg.iou_threshold": _NO_SHARE,
    "model.test_cfg.nms_pre": ("0", "-1", "2.5", "x"),
    "model.test_cfg.max_per_img": ("0", "-1", "2.5", "x"),
    "img_size": (
        "0",
        "-32",
        "33",
        "x",
        "nan",
        "2.5",
        "100000000",
        "[64]",
        "[64,64,64]",
        "(0,64)",
        "(64,-64)",
        "(64,33)",
    ),
    "model.bbox_head.num_classes": ("0", "-1", "2.5", "x", "7", "None"),
    "model.bbox_head.type": ("Foo", "3"),
    "model.bbox_head.anchors": ("x", "[]", "[[(1,2)]]", "[[(-1,2)]*3]*3", "3"),
    "model.backbone.widen_factor": ("0", "-1", "nan", "x", "inf"),
    "model.backbone.deepen_factor": ("-1", "nan", "x"),
    "model.backbone.type": ("Foo", "mmdet.Foo", "foo.ResNet", "3", "None"),
    "model.neck.type": ("Foo", "3"),
    "model.neck.widen_factor": ("0", "-1", "nan"),
    "model.type": ("Foo", "mmdet.YOLOX2"),
    "randomness.seed": ("-1", "1099511627776", "x", "1.5", "nan"),
    f"{_SCHEDULE}.schedule": ("foo", "3"),
    f"{_SCHEDULE}.final": ("-1", "nan", "x", "inf"),
    f"{_SCHEDULE}.warmup_epochs": ("-1", "nan", "x"),
    f"{_SCHEDULE}.warmup_min_iters": ("-5", "x"),
    f"{_SCHEDULE}.warmup_bias_lr": ("-1", "nan"),
    f"{_SCHEDULE}.warmup_momentum": ("2", "-1", "nan"),
    f"{_SCHEDULE}.nominal_batch_size": ("0", "-1", "x"),
    f"{_SCHEDULE}.peak": ("10",),
    f"{_SCHEDULE}.type": ("Foo",),
    "default_hooks.checkpoint.interval": ("0", "-1", "x", "1.5"),
    "default_hooks.checkpoint.max_keep_ckpts": ("-2", "x", "1.5"),
    "default_hooks.checkpoint.save_best": ("foo", "3"),
    "default_hooks.checkpoint.rule": ("foo",),
    "default_hooks.ema.decay": ("-1", "2", "nan", "x"),
    "default_hooks.ema.ramp": ("0", "-1", "nan", "x"),
    "val_evaluator.mode": ("foo", "3"),
    "val_evaluator.type": ("Foo",),
    "data_root": ("nowhere", "own.py", "''", "3", "[]"),
    "train_dataloader.dataset.splits": ("[]", "VOC2007", "['VOC2007/none']", "['nowhere/train']", "3", "[1]", "['/']"),
    "train_dataloader.dataset.share": ("0", "-1", "2", "x"),
    "train_dataloader.dataset.indices": ("-1", "0", "x", "[99]", "1.5"),
    "train_dataloader.dataset.metainfo.classes": ("['aeroplane']", "['a','b']", "[]", "3", "aeroplane"),
    "train_dataloader.dataset.type": ("Foo",),
    "train_dataloader.dataset.others": ("foo",),
    "train_dataloader.dataset.clip": ("x",),
    "train_dataloader.dataset.cache_dir": ("own.py/cache",),
    "val_dataloader.dataset.rect_batch_size": ("0", "-1", "x"),
    "train_dataloader.sampler.type": ("Foo",),
    "train_dataloader.dataset.pipeline.2.prob": ("2", "-1", "nan", "x"),
    "train_dataloader.dataset.pipeline.2.scale": ("-1", "nan", "x"),
    "train_dataloader.dataset.pipeline.2.type": ("Foo",),
    "custom_imports.imports": ("['no_such_module']", "3", "[3]", "no_such_module"),
    "custom_hooks": ("3", "[3]", "[dict(type='Foo')]"),
    "vis_backends": ("3", "[dict(type='Foo')]"),
    "env_cfg": ("3", "[]"),
    "log_level": ("FOO",),
    "default_scope": ("foo",),
    "load_from": ("nowhere.pth", "own.py", "VOCdevkit", "3"),
    "model": _NO_PART,
    "train_dataloader": _NO_PART,
    "val_dataloader": ("3", "x", "[]"),
    "optim_wrapper": _NO_PART,
    "train_cfg": _NO_PART,
    "default_hooks": ("3", "x"),
    "default_hooks.record": ("3", "dict(type='Foo')"),
    "default_hooks.param_scheduler": ("3", "x"),
    "randomness": ("3", "x"),
    "model.backbone": _NO_PART,
    "model.bbox_head": ("3", "x"),
    "model.init_cfg": ("3", "x", "dict(type='Foo')"),
}
# An option with a key that nothing reads, or in a place where nothing can be.
UNKNOWN = (
    *("model.bogus=1", "model.backbone.widen_facto=1", "model.neck.bogus=1", "model.bbox_head.nu_classes=2"),
    *(
        "model.test_cfg.score_th=0.1",
        "train_dataloader.batchsize=4",
        "train_dataloader.dataset.split=['VOC2007/train']",
    ),
    *("train_cfg.max_epoch=3", "val_cfg.bogus=1", "default_hooks.ema.decai=0.9", "default_hooks.emma.decay=0.9"),
    *("default_hooks.record.bogus=1", "optim_wrapper.optimizer.learning_rate=1", "optim_wrapper.bogus=1"),
    *("optim_wrapper.clip_grad.max_nor=1", "randomness.sed=1", "val_evaluator.mod=area", "datta_root=VOCdevkit"),
    *(
        "train_dataloader.sampler.shufle=False",
        "train_dataloader.dataset.pipeline.2.probb=0",
        "imgsize=64",
        "bogus.a.b=1",
    ),
    *("default_hooks.param_scheduler.warmup=3", "env_cfg.bogus=1", "custom_imports.import=[]"),
)
PLACES = (
    *("train_dataloader.dataset.pipeline.99.prob=0", "train_dataloader.dataset.pipeline.-9.prob=0"),
    *("train_dataloader.dataset.pipeline.x.prob=0", "train_dataloader.dataset.splits.7=VOC2007/train"),
    *("train_dataloader.dataset.splits.0.x=3", "train_dataloader.batch_size.x=3", "img_size.0=64", "data_root.x=3"),
    *("train_dataloader.dataset.pipeline.1.5.prob=0", "load_from.x=3", "resume.x=3", "vis_backends.0.type=X"),
    *("train_dataloader.dataset.pipeline.2=3", "model.backbone.type.x=3", "train_dataloader.dataset.pipeline=x"),
)
NOTATION = (
    *("=", "=1", "img_size", "img_size.=64", ".img_size=64", "model..type=YOLODetector", ".=1", "..=1", " =1"),
    *("img_size=(64", "img_size=[64,", "img_size={", 'img_size="64', "img_size=)", "img_size=,", "img_size=[64)"),
    *("img_size=64,64,64", "img_size=[[[64", "img_size=64;65", "img_size=__import__('os')", "img_size=1e400"),
    *(
        "img_size=" + "[" * 500,
        "img_size=" + "9" * 5000,
        "img_size=\u0664\u0665",
        "img_size=6 4",
        "img_size=0x",
        "img_size=",
    ),
)


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for key, values in REFUSED.items():
        for value in values:
            yield _training(f"{key}={value}")
    for option in (*UNKNOWN, *PLACES):
        yield _training(option)
    for option in NOTATION:
        yield _training(option, f"notation {option[:24]}" + ("..." if len(option) > 24 else ""))
    for option in (*NOTATION[:9], *PLACES[:6]):
        yield Input("print_config.py", f"option {option}", ("own.py", "--cfg-options", option))
    yield from _accepted()
    yield from _arguments()


def _training(option: str, name: str = "", **more: object) -> Input:
    arguments = ("own.py", "--work-dir", "out", "--cfg-options", option)
    return Input("train.py", name or option, arguments, needs=("VOCdevkit",), **more)


def _shows(*texts: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        printed = (folder / "stdout").read_text()
        missing = [text for text in texts if text not in printed]
        return f"does not print {missing[0]}" if missing else ""

    return check


def _accepted() -> Iterator[Input]:
    """What has to survive the command line untouched."""
    for option, *shown in (
        ("data_root=my data/VOC", "data_root = 'my data/VOC'"),
        ("data_root=a,b", "data_root = 'a,b'"),
        ("data_root=[old] data", "data_root = '[old] data'"),
        ("data_root=a(1)", "data_root = 'a(1)'"),
        ("data_root=x=y", "data_root = 'x=y'"),
        ("data_root=it's", 'data_root = "it\'s"'),
        ("data_root=d\u00e4ten", "d\u00e4ten"),
        ("img_size=(64, 96)", "64", "96"),
        ("train_dataloader.dataset.pipeline.2.prob=0.5", "prob=0.5"),
        ("train_dataloader.dataset.splits=['VOC2007/train']", "'VOC2007/train'"),
        ("train_dataloader.dataset.pipeline=[dict(type='LoadImageFromFile'),dict(type='PackTrain')]", "'PackTrain'"),
        ("custom_hooks=[{'type':'RunRecordHook','a':[1,{'b':2}]}]", "b=2"),
        ("load_from=None", "load_from = None"),
    ):
        yield Input(
            "print_config.py", f"keeps {option}", ("own.py", "--cfg-options", option), "accepted", check=_shows(*shown)
        )


def _hides_token(folder: Path) -> str:
    return "the token is in the record" if "s3cr3t" in (folder / "out/record.json").read_text() else ""


def _arguments() -> Iterator[Input]:
    """Options of train.py and test.py themselves."""
    for key in ("token", "api_key", "password"):
        arguments = ("secret.py", "--work-dir", "out", "--cfg-options", f"tracker.{key}=s3cr3t")

        def write(folder: Path, key: str = key) -> None:
            (folder / "secret.py").write_text(f'_base_ = "own.py"\ntracker = dict({key}="")\n')

        yield Input("train.py", f"a {key} as option", arguments, "accepted", write, _hides_token, needs=("VOCdevkit",))
    for arguments in (
        *(("--seed", value) for value in ("-1", "1099511627776", "x", "1.5")),
        *(("--launcher", value) for value in ("pytorch", "slurm", "mpi", "foo")),
        *(("--log", value) for value in ("foo", "wandb", "mlflow")),
        *(("--work-dir", value) for value in ("own.py", "own.py/x", "/proc/x")),
        ("--resume", "nowhere.pth"),
        ("--bogus",),
        ("--cfg-options",),
        ("more",),
    ):
        yield Input("train.py", " ".join(arguments), ("own.py", *arguments), needs=("VOCdevkit",))
    bad = {
        "RANK": "x",
        "WORLD_SIZE": "0",
        "LOCAL_RANK": "-1",
        "MASTER_PORT": "99999999",
        "MASTER_ADDR": "no.such.host.invalid",
    }
    good = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    for name, value in bad.items():
        yield Input(
            "train.py",
            f"--launcher pytorch {name}={value}",
            ("own.py", "--launcher", "pytorch"),
            needs=("VOCdevkit",),
            environment=good | {name: value},
        )
        if name in ("RANK", "WORLD_SIZE", "MASTER_PORT"):
            rest = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"} | {name: ""}
            yield Input(
                "train.py",
                f"--launcher pytorch {name} empty",
                ("own.py", "--launcher", "pytorch"),
                needs=("VOCdevkit",),
                environment=good | rest,
            )
    weights = ("VOCdevkit", "best.pth")
    for option in (
        *(
            "model.test_cfg.score_thr=nan",
            "model.test_cfg.iou_threshold=2",
            "test_dataloader.batch_size=0",
            "img_size=33",
        ),
        *(
            "model.bbox_head.num_classes=3",
            "test_evaluator.mode=foo",
            "test_dataloader.dataset.splits=[]",
            "img_size=0",
        ),
        *(
            "test_dataloader=None",
            "test_evaluator=None",
            "test_cfg=3",
            "test_dataloader.dataset.splits=['VOC2007/none']",
        ),
        *(
            "test_dataloader.dataset.rect_batch_size=0",
            "test_dataloader.dataset.metainfo.classes=['bicycle','aeroplane']",
        ),
    ):
        yield Input("test.py", option, ("own.py", "best.pth", "--cfg-options", option), needs=weights)
    for arguments in (
        *(("--out", value) for value in ("VOCdevkit", "own.py/x", "/proc/x/y")),
        *(("--report", value) for value in ("own.py", "own.py/x", "/proc/x/y", "")),
        ("best.pth",),
        ("best.pth", "best.pth", "--report", "page"),
        ("--weights", "best.pth"),
        *(("--launcher", value) for value in ("pytorch", "slurm", "mpi")),
        ("--deploy", "--launcher", "pytorch"),
        ("--work-dir", "own.py"),
    ):
        yield Input("test.py", " ".join(arguments), ("own.py", "best.pth", *arguments), needs=weights)
