"""Pictures and videos from an http address: of limited size and time, from http alone, and gone afterwards."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_pictures import add_picture, add_video

from yolo_plugins.errors import UsageError
from yolo_plugins.inference import download
from yolo_plugins.inference.download import downloaded, is_address, name_of
from yolo_plugins.inference.sources import open_source


class _Handler(BaseHTTPRequestHandler):
    """Serves `content` under any name; some names do harm."""

    content = b""

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.end_headers()
        elif self.path.startswith("/gone"):
            self.send_error(404)
        elif self.path.startswith("/slow"):
            time.sleep(2)
        else:
            self.send_response(200)
            if not self.path.startswith("/unsized"):
                more = 1000 if self.path.startswith("/short") else 0
                self.send_header("Content-Length", str(len(self.content) + more))
            self.end_headers()
            self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch) -> Iterator[str]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def serve(path: Path) -> None:
    _Handler.content = path.read_bytes()


def fault(address: str) -> str:
    (item,) = open_source(address)
    assert isinstance(item, UsageError) and "\n" not in str(item)
    return str(item)


@pytest.mark.parametrize("name", ["/a.png", "/a.png?width=3", "/unsized", "/moved?/a.png", "/%2e%2e%2fa.png", "/"])
def test_a_picture_comes_from_an_address(server, tmp_path, name):
    add_picture(tmp_path / "a.png")
    serve(tmp_path / "a.png")
    (picture,) = open_source(server + name)
    assert picture.image.shape == (40, 60, 3) and picture.path == server + name
    assert "/" not in picture.name and not picture.name.startswith(".")


@pytest.mark.parametrize("name", ["/clip.mp4", "/watch"])
def test_a_video_comes_from_an_address(server, tmp_path, name):
    add_video(tmp_path / "a.mp4", 4)
    serve(tmp_path / "a.mp4")
    assert [picture.frame for picture in open_source(server + name)] == [0, 1, 2, 3]


def test_the_copy_lives_as_long_as_it_is_read(server, tmp_path):
    add_picture(tmp_path / "a.png")
    serve(tmp_path / "a.png")
    with downloaded(f"{server}/a.png") as path:
        assert path.read_bytes() == _Handler.content
    assert not path.parent.exists()


def test_what_cannot_be_fetched_is_one_line(server, tmp_path, monkeypatch):
    add_picture(tmp_path / "a.png")
    serve(tmp_path / "a.png")
    secret = tmp_path / "secret.png"
    add_picture(secret)
    length = len(_Handler.content)
    assert "HTTP Error 404: Not Found" in fault(f"{server}/gone.png")
    assert f"broken off after {length} of {length + 1000} bytes" in fault(f"{server}/short.png")
    assert "cannot be fetched" in fault(f"{server}/moved?file://{secret}")
    assert "cannot be fetched" in fault(f"{server}/moved?ftp://127.0.0.1/a.png")
    assert "cannot be fetched" in fault(f"{server}/moved?/moved?/moved?")
    assert "cannot be fetched" in fault("http://127.0.0.1:1/a.png")
    assert "cannot be fetched" in fault("http://[/a.png")
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    assert "timed out" in fault(f"{server}/slow.png")
    monkeypatch.setattr(download, "MOST_SECONDS", -1)
    assert "longer than -1 seconds" in fault(f"{server}/a.png")
    monkeypatch.setattr(download, "MOST_BYTES", 100)
    assert "more than 0 MiB" in fault(f"{server}/a.png")
    assert "more than 0 MiB" in fault(f"{server}/unsized.png")


def test_what_is_no_picture_is_told_by_its_address(server, tmp_path):
    (tmp_path / "page.html").write_text("<html>no picture</html>")
    serve(tmp_path / "page.html")
    assert fault(f"{server}/page").startswith(f"{server}/page: cannot decode the image")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://a/b/c.jpg?x=/d.png", "c.jpg"),
        ("https://a/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ("http://a/..", "picture"),
        ("http://a", "picture"),
        ("http://a/b%20c;d.jpg", "b_c_d.jpg"),
    ],
)
def test_a_name_is_plain(address, name):
    assert is_address(address) and name_of(address) == name


def test_other_schemes_are_paths():
    assert not any(
        map(is_address, ("file:///etc/passwd", "ftp://a/b.png", "rtsp://a", "a.png", "C:\\a.png", "http://a b/c.png"))
    )
