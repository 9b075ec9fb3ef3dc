"""What an input is, where it runs, and how its end is judged. Importing it loads no torch."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / "tools"
CLASSES = ("aeroplane", "bicycle")
# Ends of a run; the first two are right where they were expected.
KINDS = ("refused", "accepted", "wrong", "traceback", "crash", "hang", "silent", "not one line")

OWN_CONFIG = f"""
_base_ = {str(REPO / "configs/yolov5_pico_demo.py")!r}
data_root = "VOCdevkit"
img_size = 64
metainfo = dict(classes={CLASSES!r})
train_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(metainfo=metainfo))
val_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(metainfo=metainfo))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
model = dict(
    backbone=dict(widen_factor=0.05), neck=dict(widen_factor=0.05), bbox_head=dict(num_classes={len(CLASSES)})
)
"""
LONG_CONFIG = '_base_ = "own.py"\ntrain_cfg = dict(max_epochs=3)\n'
COCO_CONFIG = """
_base_ = "own.py"
data_root = "coco"
_coco_ = dict(type="COCODataset", splits=["train"])
train_dataloader = dict(dataset=_coco_)
val_dataloader = dict(dataset=_coco_)
test_dataloader = val_dataloader
"""
INIT_CONFIG = '_base_ = "own.py"\nmodel = dict(init_cfg=dict(type="Pretrained", checkpoint="bad.pth"))\n'
CONFIGS = {"own.py": OWN_CONFIG, "long.py": LONG_CONFIG, "coco.py": COCO_CONFIG, "init.py": INIT_CONFIG}

Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Input:
    """A command line with its files.

    Attributes:
        tool: Path below tools/.
        name: What is wrong with it; with the tool it names the input.
        arguments: Of the tool, run in a folder with the configs of `CONFIGS` and what `needs` says.
        expect: `refused` by one line, `accepted` (and then `check` finds nothing), or `either` of the two.
        prepare: Writes further files into the folder.
        check: What is wrong with what the input left in the folder, where it ended as expected or, if either will do,
            was accepted; empty where nothing is.
        says: What has to be printed where it is refused.
        needs: Parts of the base to copy: `VOCdevkit`, `coco`, `run` (two epochs of long.py, killed in the third),
            `best.pth`, `full.py` (own.py with all that it inherits), `study` (records of five runs), `tables` (theirs),
            `fits` (their laws), `cache` (what recommend.py counted), `exported` (files of best.pth).
        keeps: Files whose content must still be there afterwards, under this name or another beside it.
        environment: Changes to it.
        prelude: Of `preludes`, called before the tool.
    """

    tool: str
    name: str
    arguments: tuple[str, ...] = ()
    expect: Literal["refused", "accepted", "either"] = "refused"
    prepare: Prepare | None = None
    check: Callable[[Path], str] | None = None
    says: str = ""
    needs: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prelude: str = ""

    def __str__(self) -> str:
        return f"{self.tool}: {self.name}"

    @property
    def command(self) -> list[str]:
        """The command line."""
        if self.tool.endswith(".sh"):
            return ["bash", f"checkout/tools/{self.tool}", *self.arguments]
        return [str(TOOLS / self.tool), *self.arguments]


@dataclass(frozen=True)
class Verdict:
    """How an input ended: its kind, and where that is a fault what to look for."""

    kind: str
    fault: str = ""


def fill(folder: Path, base: Path, case: Input) -> None:
    """Makes the folder of an input."""
    folder.mkdir(parents=True)
    for name, text in CONFIGS.items():
        (folder / name).write_text(text)
    for name in case.needs:
        source = base / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / name)
    if case.prepare:
        case.prepare(folder)


def judge(case: Input, folder: Path, answer: Mapping, kept: Mapping[str, bytes]) -> Verdict:
    """Compares how a run ended with what was expected of it.

    Args:
        case: The input.
        folder: Where it ran.
        answer: Of the server.
        kept: Content of the files of `case.keeps` before the run.
    """
    errors = (folder / "stderr").read_text(errors="replace")
    if (folder / "ran").exists():
        return Verdict("wrong", "a program in a file ran")
    kind, said = _kind(answer, errors)
    if kind not in ("refused", "accepted"):
        return Verdict(kind, said)
    if case.expect not in ("either", kind):
        return Verdict("wrong", f"{kind}: {said}" if said else kind)
    if kind == "refused" and case.says not in errors + (folder / "stdout").read_text(errors="replace"):
        return Verdict("wrong", f"does not say {case.says!r}: {said}")
    lost = [name for name, content in kept.items() if not _is_somewhere(content, folder / name)]
    if lost:
        return Verdict("wrong", f"lost: {', '.join(lost)}")
    wrong = _checked(case, folder) if kind == "accepted" or case.expect == "refused" else ""
    return Verdict("wrong", wrong) if wrong else Verdict(kind)


def _kind(answer: Mapping, errors: str) -> tuple[str, str]:
    """The kind of an end, and the line that tells it."""
    lines = errors.strip().splitlines() or [""]
    if answer["timed_out"]:
        return "hang", f"still running after {answer['seconds']:.0f} s"
    if answer["status"] < 0:
        return "crash", f"killed by signal {-answer['status']}: {lines[-1][:200]}"
    if "Traceback (most recent call last)" in errors:
        return "traceback", _cause(errors)
    if answer["status"] == 0:
        return "accepted", ""
    told = [line for line in lines if re.match(r"(\S+\.py( \w+)?: )?error: ", line)]
    if not told:
        return "silent", f"status {answer['status']}: {lines[-1][:200]}"
    if len(told) > 1 or told[-1] != lines[-1]:
        return "not one line", f"{told[0][:200]} | {lines[-1][:200]}"
    return "refused", told[0]


def _cause(errors: str) -> str:
    """The last error of a traceback and the deepest place of this package in it."""
    last = errors[errors.rindex("Traceback (most recent call last)") :]
    frames = re.findall(r'File "(.+?)", line (\d+), in (\S+)', last)
    own = [frame for frame in frames if "/yolo_plugins/" in frame[0] or "/tools/" in frame[0]] or frames
    places = [f"{re.sub(r'.*/(?=yolo_plugins/|tools/|site-packages/)', '', path)}:{line}" for path, line, _ in own[-1:]]
    error = next((line for line in last.splitlines()[1:] if line.strip() and not line.startswith(" ")), "?")
    return f"{places[0] if places else '?'} {error[:160]}"


def _checked(case: Input, folder: Path) -> str:
    if case.check is None:
        return ""
    try:
        return case.check(folder)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return f"its result cannot be read: {error!r}"


def _is_somewhere(content: bytes, path: Path) -> bool:
    return any(other.read_bytes() == content for other in path.parent.iterdir() if other.is_file())
