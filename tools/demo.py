"""The whole loop in minutes, without a GPU, on pictures made on the spot: data, training, evaluation, drawn boxes.

python tools/demo.py
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from yolo_plugins.cli import one_line_errors

ROOT = Path(__file__).resolve().parents[1]
OUT = Path("work_dirs/demo")  # below the root, where every command of the demo runs
CONFIG = "yolov5_n_demo"
DRAWN = 12  # test pictures


def run(title: str, tool: str, *arguments: str | Path) -> float:
    """Runs another tool and returns its seconds; ends the demo with the tool's status where it fails."""
    print(f"\n== {title}\npython tools/{tool} {' '.join(map(str, arguments))}", flush=True)
    begin = time.perf_counter()
    status = subprocess.run([sys.executable, ROOT / "tools" / tool, *arguments], check=False).returncode
    if status:
        sys.exit(status)
    return time.perf_counter() - begin


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.chdir(ROOT)
    with one_line_errors():
        shutil.rmtree(OUT, ignore_errors=True)  # nothing of an earlier demo may pass for a result of this one
        data, metrics_file, pictures = OUT / "VOCdevkit", OUT / "metrics.json", OUT / "pictures"
        options = ("--work-dir", OUT, "--cfg-options", f"data_root={data}")
        run("a synthetic VOC data set", "make_synthetic_voc.py", data)
        seconds = run("training", "train.py", CONFIG, *options)
        checkpoint = next(OUT.glob("best_ap50_epoch_*.pth"))
        run("evaluation", "test.py", CONFIG, checkpoint, "--out", metrics_file, *options)
        pictures.mkdir()
        for name in (data / "VOC2007/ImageSets/Main/test.txt").read_text().split()[:DRAWN]:
            shutil.copy(data / "VOC2007/JPEGImages" / f"{name}.jpg", pictures)
        chosen = ("--config", CONFIG, "--checkpoint", checkpoint)
        run("drawn detections", "infer.py", pictures, *chosen, "--out", OUT / "detections")

        metrics, record = json.loads(metrics_file.read_text()), json.loads((OUT / "record.json").read_text())
        print(f"\nYOLOv5-n on the synthetic test set\n  AP50      {metrics['ap50']:.3f}")
        print(f"  AP50-95   {metrics['ap50_95']:.3f}\n  params    {record['complexity']['params']:,}")
        print(f"  training  {seconds:.0f} s, {len(record['epochs'])} epochs\n\nfiles in {OUT.absolute()}")
        print("  record.json    every epoch's figures\n  metrics.json   the scores")
        print(f"  {checkpoint.name}   the best weights\n  detections/    drawn test pictures, detections.json")


if __name__ == "__main__":
    main()
