"""Two models that were tested on pictures which are drawn here."""

from pathlib import Path

import pytest
from made_tests import SIZE, make_images, make_tested
from PIL import Image

from yolo_plugins.results.collect import Picture, Tested


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for index in range(40):
        path: Path = folder / f"{index:03}.jpg"
        Image.new("RGB", SIZE, (index * 5, 90, 120)).save(path)
        made.append(Picture(f"set/{index:03}", str(path), *SIZE))
    return made


@pytest.fixture(scope="session")
def tested(pictures: list[Picture]) -> Tested:
    return make_tested(make_images(len(pictures), 1, 4.0), pictures)


@pytest.fixture(scope="session")
def better(pictures: list[Picture]) -> Tested:
    """A second model, with smaller errors of place."""
    return make_tested(make_images(len(pictures), 2, 0.5), pictures, name="better.pth")
