"""Each VOC tool runs as a command from another directory."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("make_synthetic_voc.py", "verify.py", "download_voc.py")


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "no_proxy": "*"}


def run(cwd, tool, *args):
    command = [sys.executable, str(ROOT / "tools" / tool), *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("tool", TOOLS)
def test_help_comes_within_a_second(tool, tmp_path):
    start = time.perf_counter()
    result = run(tmp_path, tool, "--help")
    assert time.perf_counter() - start < 1
    assert result.returncode == 0
    assert "usage" in result.stdout


def test_synthetic_data_is_made_and_found_sound_and_then_faulty(tmp_path):
    made = run(tmp_path, "make_synthetic_voc.py", "VOCdevkit", "--train", 4, "--test", 2, "--classes", 3, "--seed", 1)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "VOCdevkit: 4 training and 2 test pictures, 3 classes\n"
    sound = run(tmp_path, "verify.py", "--data", "VOCdevkit")
    assert sound.returncode == 0
    assert sound.stdout.endswith("all is sound\n")
    assert sound.stderr == ""
    (tmp_path / "VOCdevkit/VOC2007/JPEGImages/000001.jpg").unlink()
    (tmp_path / "VOCdevkit/VOC2012/Annotations/2012_000002.xml").write_text("<annotation>")
    faulty = run(tmp_path, "verify.py", "--data", "VOCdevkit")
    assert faulty.returncode == 1
    assert "000001.jpg: no such image" in faulty.stdout
    assert "2012_000002.xml: malformed XML" in faulty.stdout
    assert faulty.stderr == "error: VOCdevkit: 2 fault(s), listed above; fix them and check again\n"
    official = run(tmp_path, "verify.py", "--data", "VOCdevkit", "--official")
    assert official.returncode == 1
    assert "the official release has 4952 pictures" in official.stdout


def test_classes_of_one_s_own_come_from_the_command_line_or_a_config(tmp_path):
    run(tmp_path, "make_synthetic_voc.py", "VOCdevkit", "--train", 4, "--test", 2, "--classes", 2)
    for path in (tmp_path / "VOCdevkit").glob("*/Annotations/*.xml"):
        path.write_text(path.read_text().replace(">aeroplane<", ">screw<").replace(">bicycle<", ">nut<"))
    (tmp_path / "own.py").write_text(
        f"_base_ = {str(ROOT / 'configs' / 'yolov5_n_voc.py')!r}\n"
        "data_root = 'VOCdevkit'\n"
        "metainfo = dict(classes=('screw', 'nut'))\n"
        "train_dataloader = dict(dataset=dict(metainfo=metainfo))\n"
        "val_dataloader = dict(dataset=dict(metainfo=metainfo))\n"
        "test_dataloader = val_dataloader\n"
    )
    strange = run(tmp_path, "verify.py", "--config", "yolov5_n_voc", "--cfg-options", "data_root=VOCdevkit")
    assert strange.returncode == 1 and "unknown class 'screw' (name it in metainfo" in strange.stdout
    for sound in (
        run(tmp_path, "verify.py", "--data", "VOCdevkit"),
        run(tmp_path, "verify.py", "--data", "VOCdevkit", "--classes", "screw", "nut"),
        run(tmp_path, "verify.py", "--config", "own.py"),
    ):
        assert sound.returncode == 0, sound.stdout
        assert "VOC2007/test" in sound.stdout and "all is sound" in sound.stdout


def test_refusals_are_one_line(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").touch()
    for result in (
        run(tmp_path, "make_synthetic_voc.py", "precious"),
        run(tmp_path, "verify.py", "--data", "nowhere"),
        run(tmp_path, "verify.py"),
        run(tmp_path, "verify.py", "--data", "precious"),
        run(tmp_path, "verify.py", "--config", "yolov5_n_voc", "--classes", "cta"),
        run(tmp_path, "verify.py", "--data", "precious", "--cfg-options", "img_size=96"),
        run(tmp_path, "download_voc.py", "--base-url", "http://127.0.0.1:1"),
    ):
        assert result.returncode == 1
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1


class SlowHandler(BaseHTTPRequestHandler):
    """Sends a megabyte and a half, then nothing more."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(10**7))
        self.end_headers()
        self.wfile.write(bytes(3 << 19))
        self.server.sent.set()
        self.server.finish.wait(30)

    def log_message(self, *_):
        pass


@pytest.fixture
def slow_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler)
    server.sent, server.finish = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.finish.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_interrupted_download_leaves_a_part_to_go_on_from(slow_server, tmp_path):
    if shutil.disk_usage(tmp_path).free < 6e9:
        pytest.skip("the tool itself refuses to start with less than 4.9 GB of free disk")
    command = [sys.executable, str(ROOT / "tools" / "download_voc.py"), "--out", "data"]
    command += ["--base-url", f"http://127.0.0.1:{slow_server.server_port}"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert slow_server.sent.wait(30)
    part = tmp_path / "data" / "VOCtrainval_06-Nov-2007.tar.part"
    deadline = time.monotonic() + 10
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "interrupted\n"
    assert part.stat().st_size >= 1 << 20
