"""The whole loop in minutes, without a GPU, on pictures made on the spot: three models, their law, its report.

yolo-plugins demo

All of it is in work_dirs/demo of the current folder, which the next demo replaces. Needs the extra `analysis`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from yolo_plugins.cli import one_line_errors

OUT = Path("work_dirs/demo")
CONFIG = "yolov5_n_demo"
DRAWN = 12  # test pictures


def run(title: str, command: str, *arguments: str | Path, stdout: int | None = None) -> None:
    """Runs another command and tells its time; ends the demo with its status where it fails."""
    print(f"\n== {title}\nyolo-plugins {command} {' '.join(map(str, arguments))}", flush=True)
    begin = time.monotonic()
    started = [sys.executable, "-m", "yolo_plugins", command, *arguments]
    if status := subprocess.run(started, check=False, stdout=stdout).returncode:
        sys.exit(status)
    print(f"   done in {time.monotonic() - begin:.0f} s", flush=True)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with one_line_errors():
        shutil.rmtree(OUT, ignore_errors=True)  # nothing of an earlier demo may pass for a result of this one
        data, study, metrics_file, pictures = (
            OUT / name for name in ("VOCdevkit", "study", "metrics.json", "pictures")
        )
        options = ("--cfg-options", f"data_root={data}")
        run("a synthetic VOC data set", "make-synthetic-voc", data)
        run("three trainings", "study", "study_demo", "--jobs", "3", "--out", study, *options)
        work_dir = study / f"{CONFIG}_seed0"
        checkpoint = next(work_dir.glob("best_ap50_epoch_*.pth"))
        for_programs = subprocess.DEVNULL  # the JSON that is in metrics.json, too
        run("evaluation of YOLOv5-n", "test", CONFIG, checkpoint, "--out", metrics_file, *options, stdout=for_programs)
        pictures.mkdir()
        for name in (data / "VOC2007/ImageSets/Main/test.txt").read_text().split()[:DRAWN]:
            shutil.copy(data / "VOC2007/JPEGImages" / f"{name}.jpg", pictures)
        run("drawn detections", "infer", pictures, "--weights", checkpoint, "--out", OUT / "detections")
        run("law, frontier, report", "frontier", study, "--y", "ap50", "--out", OUT / "frontier")

        scores = json.loads(metrics_file.read_text())
        print(f"\nYOLOv5-n on the synthetic test set\n  AP50      {scores['ap50']:.3f}")
        print(f"  AP50-95   {scores['ap50_95']:.3f}")
        print(f"\nfiles in {OUT.absolute()}: metrics.json, detections/, and")
        print("  study/                 tables; each run's weights and record.json")
        print("  frontier/report.html   the models, the law through them, its caveats: open it in a browser")
