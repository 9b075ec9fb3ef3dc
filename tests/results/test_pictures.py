"""Drawn pictures: what is on them, how large they are."""

import base64
import io

import numpy as np
from made_tests import make_tested
from PIL import Image

from yolo_plugins.results.collect import Picture
from yolo_plugins.results.pictures import Gallery
from yolo_plugins.results.summary import verdicts_of


def opened(panel) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(panel.uri.partition(",")[2])))


def test_large_pictures_shrink_and_boxes_with_them(tmp_path):
    Image.new("RGB", (1120, 840), "white").save(tmp_path / "a.png")
    box, none = np.float32([[200, 300, 600, 800]]), np.zeros((0, 4), np.float32)
    images = [(box, np.zeros(1, int), np.zeros(1, bool), none, np.zeros(0, int), np.zeros(0))]
    tested = make_tested(images, [Picture("a", str(tmp_path / "a.png"), 1120, 840)])
    shown = Gallery([(tested, verdicts_of(tested))]).show(0, "1 missed", ["found"])
    assert (shown.name, shown.line) == ("a", "1 missed")
    objects, found = map(opened, shown.panels)
    assert objects.size == found.size == (560, 420)
    coloured = np.ptp(np.asarray(objects, int), axis=2) > 60
    below_the_name = np.argwhere(coloured[200:])
    assert np.abs(below_the_name.min(0)[1] - 100) <= 4
    assert np.abs(below_the_name.max(0) - [200, 300]).max() <= 4
    assert not (np.ptp(np.asarray(found, int), axis=2) > 60).any()


def test_each_model_has_a_panel_of_its_own(tested, better):
    gallery = Gallery([(tested, verdicts_of(tested)), (better, verdicts_of(better))])
    index = next(k for k, image in enumerate(tested.images) if len(image[0]))
    shown = gallery.show(index, "", ["found by A", "found by B"])
    assert [panel.caption for panel in shown.panels] == ["objects", "found by A", "found by B"]
    assert len({panel.uri for panel in shown.panels}) == 3
