"""Facts about the download, against a server on this machine."""

import hashlib
import io
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from yolo_plugins.datasets.download_voc import OFFICIAL_ARCHIVES, Archive, download_voc
from yolo_plugins.errors import UsageError


def tar_bytes(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Serves `files`; keeps (path, Range header) of each request. `cut_at`: closes a response after so many bytes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests, self.cut_at, self.ranges = {}, [], None, True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/pascal/VOC"

    def add(self, path, members):
        data = tar_bytes(members)
        self.files[f"/pascal/VOC/{path}"] = data
        return Archive(path, hashlib.md5(data).hexdigest(), len(data))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data = self.server.files.get(self.path)
        asked = self.headers.get("Range")
        self.server.requests.append((self.path.rsplit("/", 1)[-1], asked))
        if data is None:
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : self.server.cut_at])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def archives(server):
    return (
        server.add("voc2007/train.tar", {"VOCdevkit/VOC2007/JPEGImages/1.jpg": b"one" * 5000}),
        server.add("voc2007/test.tar", {"VOCdevkit/VOC2007/JPEGImages/2.jpg": b"two" * 5000}),
        server.add("voc2012/train.tar2", {"VOCdevkit/VOC2012/JPEGImages/3.jpg": b"three" * 5000}),
    )


def test_everything_is_fetched_and_unpacked(server, archives, tmp_path):
    root = download_voc(tmp_path / "new" / "data", server.url + "/", archives)
    assert root == tmp_path / "new" / "data" / "VOCdevkit"
    assert (root / "VOC2007" / "JPEGImages" / "1.jpg").read_bytes() == b"one" * 5000
    assert (root / "VOC2007" / "JPEGImages" / "2.jpg").read_bytes() == b"two" * 5000
    assert (root / "VOC2012" / "JPEGImages" / "3.jpg").read_bytes() == b"three" * 5000
    assert not [path for path in root.parent.iterdir() if path.suffix in (".tar", ".part", ".tar2")]


def test_second_run_asks_the_server_nothing(server, archives, tmp_path, capsys):
    download_voc(tmp_path, server.url, archives)
    server.requests.clear()
    capsys.readouterr()
    download_voc(tmp_path, server.url, archives)
    assert server.requests == []
    assert capsys.readouterr().out.count("complete") == 3


def test_broken_off_download_goes_on_where_it_stopped(server, archives, tmp_path):
    server.cut_at = 7000
    with pytest.raises(UsageError, match=r"train\.tar: the server closed after 7000 of 20480 bytes; run again"):
        download_voc(tmp_path, server.url, archives[:1])
    assert (tmp_path / "train.tar.part").stat().st_size == 7000
    server.cut_at = None
    download_voc(tmp_path, server.url, archives[:1])
    assert server.requests == [("train.tar", None), ("train.tar", "bytes=7000-")]
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/1.jpg").read_bytes() == b"one" * 5000


def test_server_without_ranges_sends_the_whole_file_again(server, archives, tmp_path):
    (tmp_path / "train.tar.part").write_bytes(b"stale" * 100)
    server.ranges = False
    download_voc(tmp_path, server.url, archives[:1])
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/1.jpg").read_bytes() == b"one" * 5000


def test_complete_part_is_taken_as_it_is(server, archives, tmp_path):
    (tmp_path / "train.tar.part").write_bytes(server.files["/pascal/VOC/voc2007/train.tar"])
    download_voc(tmp_path, server.url, archives[:1])
    assert server.requests == [("train.tar", "bytes=20480-")]
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/1.jpg").exists()


def test_wrong_checksum_removes_the_part_and_unpacks_nothing(server, archives, tmp_path):
    wrong = Archive(archives[0].path, "0" * 32, 1)
    with pytest.raises(UsageError, match=r"train\.tar: its checksum is not 0{32}; removed"):
        download_voc(tmp_path, server.url, [wrong])
    assert list(tmp_path.iterdir()) == []


def test_archive_that_is_there_already_is_used_when_sound_and_kept_when_not(server, archives, tmp_path):
    (tmp_path / "train.tar").write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"train\.tar: its checksum is not .*remove the file"):
        download_voc(tmp_path, server.url, archives[:1])
    assert (tmp_path / "train.tar").read_bytes() == b"something else"
    (tmp_path / "train.tar").write_bytes(server.files["/pascal/VOC/voc2007/train.tar"])
    download_voc(tmp_path, server.url, archives[:1])
    assert server.requests == []
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/1.jpg").exists()


def test_missing_file_on_the_server_is_named(server, tmp_path):
    with pytest.raises(UsageError, match=r"voc2007/gone\.tar: the server answers 404 Not Found; check --base-url"):
        download_voc(tmp_path, server.url, [Archive("voc2007/gone.tar", "0" * 32, 1)])


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/VOC", "not a url", "http://127.0.0.1:99999999"])
def test_unreachable_server_is_named(base_url, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(UsageError, match=r"x\.tar: cannot reach the server .*; check the network and --base-url"):
        download_voc(tmp_path, base_url, [Archive("x.tar", "0" * 32, 1)])


def test_too_little_disk_is_said_before_anything_is_fetched(server, archives, tmp_path):
    huge = Archive("voc2007/train.tar", archives[0].md5, 10**18)
    with pytest.raises(UsageError, match=r"needs 2000000000\.0 GB, has .* GB; free some"):
        download_voc(tmp_path, server.url, [huge])
    assert server.requests == []


def test_out_that_is_a_file_is_refused(server, archives, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: File exists"):
        download_voc(tmp_path / "file", server.url, archives)


def test_members_outside_the_folder_are_refused(server, tmp_path):
    evil = server.add("evil.tar", {"../escaped.txt": b"x"})
    with pytest.raises(UsageError, match=r"evil\.tar: refused to unpack"):
        download_voc(tmp_path / "out", server.url, [evil])
    assert not (tmp_path / "escaped.txt").exists()


def test_broken_off_unpacking_is_done_again(server, archives, tmp_path, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", interrupt)
        with pytest.raises(KeyboardInterrupt):
            download_voc(tmp_path, server.url, archives[:1])
    download_voc(tmp_path, server.url, archives[:1])
    assert len(server.requests) == 1
    assert (tmp_path / "VOCdevkit/VOC2007/JPEGImages/1.jpg").exists()


def test_official_archives_are_the_three_of_the_study():
    assert [archive.name for archive in OFFICIAL_ARCHIVES] == [
        "VOCtrainval_06-Nov-2007.tar",
        "VOCtest_06-Nov-2007.tar",
        "VOCtrainval_11-May-2012.tar",
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", archive.md5) for archive in OFFICIAL_ARCHIVES)
