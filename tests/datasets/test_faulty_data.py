"""Every fault of a data set in each layout: one line in the check of all files, and the same line in a training."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from datasets.three_layouts import WRITERS, draw, write_all
from PIL import Image

from yolo_plugins.config import load_config
from yolo_plugins.datasets.from_config import find_datasets
from yolo_plugins.datasets.layouts import use_data
from yolo_plugins.datasets.verify import verify
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

NAME = "train_001"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("sound"), seed=3)


def check_lines(root):
    """Faults and warnings of the check; a fault of the whole comes alone."""
    try:
        report = verify(find_datasets(None, data=str(root)))
    except UsageError as error:
        return [str(error)], []
    return report.faults, report.warnings


def training_line(root):
    """What a training says to the data; empty where it takes it."""
    config = load_config("yolov5_n_demo")
    try:
        use_data(config, str(root), None, ["train_dataloader", "val_dataloader"])
        for loader in ("train_dataloader", "val_dataloader"):
            DATASETS.build(config[loader].dataset)
    except UsageError as error:
        return str(error)
    return ""


# --- what is common


def picture(root):
    (path,) = [path for path in root.rglob(f"{NAME}.png") if "labels" not in path.parts]
    return path


def remove_picture(root):
    picture(root).unlink()


def truncate_picture(root):
    path = picture(root)
    path.write_bytes(path.read_bytes()[:-2000])


def put_text_in_picture(root):
    picture(root).write_text("no picture")


def empty_picture(root):
    picture(root).write_bytes(b"")


COMMON = {
    "missing picture": (remove_picture, rf"{NAME}\.(png|jpg): no such image.*; restore the file"),
    "truncated picture": (truncate_picture, rf"{NAME}\.png: cannot decode the image .*; replace the file"),
    "picture of text": (put_text_in_picture, rf"{NAME}\.png: cannot decode the image .*; replace the file"),
    "empty picture": (empty_picture, rf"{NAME}\.png: cannot decode the image .*; replace the file"),
}

# --- VOC


def xml(root):
    return root / "VOC2007" / "Annotations" / f"{NAME}.xml"


def in_xml(pattern, new):
    def damage(root):
        text, count = re.subn(pattern, new, xml(root).read_text(), count=1)
        assert count
        xml(root).write_text(text)

    return damage


def voc_list(name, text):
    return lambda root: (root / "VOC2007" / "ImageSets" / "Main" / f"{name}.txt").write_bytes(text)


def second_suffix(root):
    Image.open(picture(root)).save(picture(root).with_suffix(".bmp"))


VOC = {
    **COMMON,
    "missing annotation": (lambda root: xml(root).unlink(), r"xml: cannot read the annotation \(No such file"),
    "xml that ends early": (in_xml("</annotation>", ""), r"xml: malformed XML .*; fix the file"),
    "xml in a wrong encoding": (lambda root: xml(root).write_bytes(b"\xff\xfe\x00\xd8"), "xml: malformed XML"),
    "xml without size": (in_xml("<size>.*</size>", ""), "xml: no <size> with a positive whole <width> and <height>"),
    "negative width": (in_xml("<width>", "<width>-"), "xml: no <size> with a positive whole"),
    "size of another picture": (in_xml("<width>", "<width>1"), r"png: the picture is .* but .*xml says 1.*; correct"),
    "inverted box": (in_xml("<xmax>", "<xmax>-"), r"xml: object 1: inverted box \(.*\); fix the file"),
    "box outside": (
        in_xml("<xmax>", "<xmax>9"),
        r"xml: object 1: box .* is outside the .* picture by more than a pixel",
    ),
    "nan": (in_xml(r"<xmin>\d+", "<xmin>nan"), r"xml: object 1: box \(nan, .*\) is not four numbers"),
    "text in place of a number": (in_xml(r"<ymin>\d+", "<ymin>top"), "xml: object 1: box .* is not four numbers"),
    "three numbers": (in_xml(r"<ymax>\d+</ymax>", ""), "xml: object 1: box .* is not four numbers"),
    "five numbers": (in_xml("<xmin>", "<xmin>1</xmin><xmin>"), "xml: object 1: 2 <xmin>, an object has one"),
    "two boxes in an object": (in_xml("<bndbox>", "<bndbox></bndbox><bndbox>"), "object 1: 2 <bndbox>, an object has"),
    "no name": (in_xml("<name>.*?</name>", ""), "xml: object 1: unknown class ''"),
    "difficult that is no flag": (in_xml("<name>", "<difficult>maybe</difficult><name>"), "<difficult> is 'maybe'"),
    "objects a level deeper": (
        in_xml("(<object>.*</object>)", r"<all>\1</all>"),
        "<object> not directly in <annotation>",
    ),
    "list of no pictures": (voc_list("train", b"\n"), r"train\.txt: the split is empty; write one picture name"),
    "list in a wrong encoding": (voc_list("train", b"\xff\xfe\x00\xd8"), r"train\.txt: the split is not UTF-8 text"),
    "picture of no annotation in the list": (
        voc_list("val", b"val_000\nval_001\nval_002\nval_003\nval_004\n"),
        r"val_004\.xml: cannot read the annotation",
    ),
    "picture listed twice": (
        voc_list("val", b"val_000\nval_001\nval_002\nval_003\nval_002\n"),
        r"val_002\.png: the picture is listed twice in VOCDataset VOC2007/val; list it once",
    ),
    "two pictures of one stem": (
        second_suffix,
        rf"{NAME}\.bmp and {NAME}\.png are pictures of one name; remove all but",
    ),
    "no object at all": (
        lambda root: [
            path.write_text(re.sub("<object>.*</object>", "", path.read_text())) for path in xml(root).parent.iterdir()
        ],
        "no class in its VOC annotations .*; annotate some objects first",
    ),
}

# --- COCO


def instances(root):
    return root / "annotations" / "instances_train2017.json"


def in_json(change):
    def damage(root):
        content = json.loads(instances(root).read_text())
        change(content)
        instances(root).write_text(json.dumps(content))

    return damage


def with_value(part, key, value):
    return in_json(lambda content: content[part][1].update({key: value}))


def without(part, key):
    return in_json(lambda content: content[part][1].pop(key))


def image_of_train_001(content):
    (image,) = [image for image in content["images"] if image["file_name"] == f"{NAME}.png"]
    return image


COCO = {
    **COMMON,
    "json that ends early": (
        lambda root: instances(root).write_text(instances(root).read_text()[:-9]),
        r"train2017\.json: malformed JSON \(.*\); restore the file",
    ),
    "json in a wrong encoding": (
        lambda root: instances(root).write_bytes(b"\xff\xfe\x00\xd8"),
        r"train2017\.json: malformed JSON",
    ),
    "no list of annotations": (in_json(lambda content: content.pop("annotations")), "has no list 'annotations'; give"),
    "no list of images": (in_json(lambda content: content.pop("images")), "has no list 'images'; give an instances"),
    "no picture": (
        in_json(lambda content: content.update(images=[], annotations=[])),
        "lists no picture; fix the file",
    ),
    "missing width": (without("images", "width"), r"images\[1\] has no 'width'; give an instances file"),
    "missing file name": (without("images", "file_name"), r"images\[1\] has no 'file_name'; give an instances"),
    "missing box": (without("annotations", "bbox"), r"annotations\[1\] has no 'bbox'; give an instances file"),
    "negative width of a picture": (with_value("images", "width", -5), r"images\[1\] has a wrong 'width': -5; fix"),
    "size of another picture": (
        in_json(lambda content: image_of_train_001(content).update(width=500)),
        rf"{NAME}\.png: the picture is .* but .*json says 500x.*; correct the annotation or restore the picture",
    ),
    "inverted box": (with_value("annotations", "bbox", [9, 9, -5, 5]), r"inverted box \[9, 9, -5, 5\]; fix the file"),
    "nan": (with_value("annotations", "bbox", [9, 9, float("nan"), 5]), r"\[1\]: box \[9, 9, nan, 5\] is not four"),
    "three numbers": (
        with_value("annotations", "bbox", [9, 9, 5]),
        r"annotations\[1\] has a wrong 'bbox': \[9, 9, 5\]",
    ),
    "five numbers": (with_value("annotations", "bbox", [9, 9, 5, 5, 5]), r"has a wrong 'bbox': \[9, 9, 5, 5, 5\]"),
    "text in place of numbers": (with_value("annotations", "bbox", ["9", "9", "5", "5"]), "has a wrong 'bbox': .*'9'"),
    "unknown category": (
        with_value("annotations", "category_id", 99),
        r"annotations\[1\] has an unknown 'category_id': 99",
    ),
    "annotation of an unknown picture": (
        with_value("annotations", "image_id", 9999),
        "has an unknown 'image_id': 9999",
    ),
    "crowd that is no flag": (with_value("annotations", "iscrowd", "maybe"), "has a wrong 'iscrowd': 'maybe'"),
    "two pictures of one id": (
        in_json(lambda content: content["images"].append(dict(content["images"][0], file_name="other.png"))),
        r"images\[6\]: the id 100 is given twice; fix the file",
    ),
    "two categories of one id": (
        in_json(lambda content: content["categories"].append({"id": 7, "name": "elk"})),
        r"categories\[3\]: the id 7 is given twice; fix the file",
    ),
    "one file for two pictures": (
        in_json(lambda content: content["images"].append(dict(image_of_train_001(content), id=5))),
        rf"{NAME}\.png: the picture is listed twice in COCODataset train2017; list it once",
    ),
    "category without name": (
        in_json(lambda content: content["categories"].append({"id": 55})),
        r"categories\[3\] has no 'name'; give an instances file",
    ),
    "entry that is no dict": (in_json(lambda content: content["annotations"].append(7)), r"has no 'image_id'; give an"),
    "crowd of pictures elsewhere": (
        lambda root: shutil.move(root / "val2017", root / "nowhere"),
        r"val_000\.png: no such image; restore the file",
    ),
}

# --- YOLO


def labels(root):
    return root / "labels" / "train" / f"{NAME}.txt"


def first_line(text):
    def damage(root):
        lines = labels(root).read_text().splitlines()
        labels(root).write_text("\n".join([text, *lines[1:]]))

    return damage


def data_yaml(*changes):
    """Replaces or removes lines of data.yaml, given as pattern and new text."""

    def damage(root):
        text = (root / "data.yaml").read_text()
        for pattern, new in changes:
            text, count = re.subn(pattern, new, text, count=1)
            assert count
        (root / "data.yaml").write_text(text)

    return damage


def yaml_bytes(content):
    return lambda root: (root / "data.yaml").write_bytes(content)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

YOLO = {
    **COMMON,
    "class that is not named": (
        first_line("3 .5 .5 .2 .2"),
        "line 1: class 3 of '3 .5 .5 .2 .2' is none of 0 to 2; correct",
    ),
    "negative class": (first_line("-1 .5 .5 .2 .2"), "line 1: class -1 of .* is none of 0 to 2"),
    "half a class": (first_line("0.5 .5 .5 .2 .2"), "line 1: class 0.5 of .* is none of 0 to 2"),
    "negative size": (first_line("1 .5 .5 -.2 .2"), r"line 1: inverted box '1 .5 .5 -.2 .2'; correct the line"),
    "box outside": (first_line("1 .9 .5 .8 .2"), "line 1: box '1 .9 .5 .8 .2' is outside the .* picture by more than"),
    "box in pixels": (first_line("1 50 50 20 20"), "line 1: box '1 50 50 20 20' is outside the .* picture"),
    "nan": (first_line("1 nan .5 .2 .2"), "line 1: '1 nan .5 .2 .2' is not numbers only; write 'class cx cy w h'"),
    "infinite": (first_line("1 inf .5 .2 .2"), "line 1: box '1 inf .5 .2 .2' is not four numbers"),
    "four numbers": (first_line("1 .5 .5 .2"), "line 1: '1 .5 .5 .2' has 4 numbers; write 'class cx cy w h'"),
    "six numbers": (first_line("1 .5 .5 .2 .2 .9"), "line 1: '1 .5 .5 .2 .2 .9' has 6 numbers; write 'class cx"),
    "text in place of a class": (first_line("dog .5 .5 .2 .2"), "line 1: 'dog .5 .5 .2 .2' is not numbers only"),
    "decimal commas": (first_line("1 0,5 0,5 0,2 0,2"), "line 1: '1 0,5 0,5 0,2 0,2' is not numbers only"),
    "labels in a wrong encoding": (
        lambda root: labels(root).write_bytes(b"\xff\xfe1"),
        r"cannot read the labels \(no UTF-8",
    ),
    "two pictures of one stem": (second_suffix, rf"{NAME}\.png: has the label file of {NAME}\.bmp, .*; rename one"),
    "names missing": (
        data_yaml((r"names:\n(  .*\n)+", "")),
        r"data\.yaml: names is missing; write names: \[cat, dog\]",
    ),
    "names in a text": (data_yaml((r"names:\n(  .*\n)+", "names: cat\n")), r"data\.yaml: names is 'cat'; write names:"),
    "a name missing": (
        data_yaml(("  1: dog\n", "")),
        r"data\.yaml: the keys of names are \[0, 2\]; number the classes",
    ),
    "a name that is no text": (data_yaml(("dog", "no")), r"data\.yaml: names\[1\] is False, no text; put it in quotes"),
    "a name twice": (
        data_yaml(("dog", "cat")),
        r"data\.yaml: names\[1\] is 'cat', as names\[0\] is; rename one of them",
    ),
    "another nc": (data_yaml(("names", "nc: 4\nnames")), r"data\.yaml: nc is 4, but names has 3; correct one of them"),
    "a key twice": (
        data_yaml(("names", "val: images/train\nnames")),
        r"data\.yaml, line 1: malformed YAML \(a key stands",
    ),
    "yaml of no dict": (
        yaml_bytes(b"- a\n- b\n"),
        "no annotated pictures found|is no data.yaml: it holds no 'key: value'",
    ),
    "malformed yaml": (
        yaml_bytes(b"names: [a, b\ntrain: x\n"),
        r"data\.yaml, line 2: malformed YAML \(.*\); correct it",
    ),
    "yaml with a tab": (yaml_bytes(b"names:\n\t0: a\n"), r"data\.yaml, line 2: malformed YAML"),
    "yaml with a tag of Python": (
        yaml_bytes(b"names: !!python/object/apply:os.system ['touch ran']\ntrain: x\n"),
        r"data\.yaml, line 1: malformed YAML \(could not determine a constructor for the tag",
    ),
    "yaml that unfolds": (yaml_bytes(BOMB.encode()), r"data\.yaml, line 2: malformed YAML \(an alias \(\*name\)"),
    "yaml without end": (yaml_bytes(b"names: " + b"[" * 5000), r"data\.yaml.*: malformed YAML"),
    "yaml in a wrong encoding": (yaml_bytes(b"names: [\xff]\n"), r"data\.yaml: is not UTF-8 text"),
    "no such folder": (
        data_yaml(("images/val", "images/vla")),
        r"data\.yaml: val: no such folder or file .*images/vla",
    ),
    "no folder at all": (
        data_yaml(("(train|val): .*\n", ""), ("(train|val): .*\n", "")),
        "has none of train, val and test",
    ),
    "a split that is a number": (data_yaml(("images/val", "7")), r"data\.yaml: val is 7; give a folder of pictures"),
    "a folder without pictures": (
        lambda root: [path.unlink() for path in (root / "images" / "val").iterdir()],
        r"data\.yaml: val has no picture \(\['images/val'\]\); put some there",
    ),
    "a picture listed twice": (
        lambda root: (
            data_yaml(("images/val", "val.txt"))(root),
            (root / "val.txt").write_text("images/val/val_000.png\n./images/val/val_000.png\n"),
        ),
        r"val_000\.png: the picture is listed twice in YOLODataset val; list it once",
    ),
    "a missing picture in a list": (
        lambda root: (
            data_yaml(("images/val", "val.txt"))(root),
            (root / "val.txt").write_text("images/val/val_000.png\nimages/val/val_xxx.png\n"),
        ),
        r"val_xxx\.png: no such image; restore the file",
    ),
}
del YOLO["missing picture"]  # the file that is left is told as a warning, see below

CASES = [
    pytest.param(layout, damage, line, id=f"{layout}: {name}")
    for layout, variants in (("voc", VOC), ("coco", COCO), ("yolo", YOLO))
    for name, (damage, line) in variants.items()
]


def test_there_are_at_least_twenty_variants_of_each_layout():
    assert min(map(len, (VOC, COCO, YOLO))) >= 20


@pytest.mark.parametrize(("layout", "damage", "line"), CASES)
def test_fault_is_one_line_in_the_check_and_in_a_training(sound, tmp_path, layout, damage, line):
    root = Path(shutil.copytree(sound[layout], tmp_path / layout))
    damage(root)
    faults, _ = check_lines(root)
    found = [fault for fault in faults if re.search(line, fault)]
    assert found, faults
    assert len(faults) == 1 or all("no such image" in fault for fault in faults if fault != found[0]), faults
    for told in (found[0], training_line(root)):
        assert re.search(line, told), told
        assert "\n" not in told and str(root) in told and len(told) < 600
    assert not Path("ran").exists()


@pytest.mark.parametrize("layout", WRITERS)
def test_sound_data_has_no_fault_and_no_warning(sound, layout):
    assert check_lines(sound[layout]) == ([], [])
    assert training_line(sound[layout]) == ""


@pytest.mark.parametrize("layout", WRITERS)
def test_picture_of_training_and_validation_is_a_warning(tmp_path, layout):
    (tmp_path / "drawn").mkdir()
    splits = draw(tmp_path / "drawn")
    shutil.copy(tmp_path / "drawn" / splits["train"][0].name, tmp_path / "drawn" / splits["val"][0].name)
    splits["val"][0] = replace(splits["train"][0], name=splits["val"][0].name)
    faults, warnings = check_lines(WRITERS[layout](tmp_path / layout, tmp_path / "drawn", splits))
    assert faults == []
    (warning,) = warnings
    assert re.search(
        rf"{splits['val'][0].name} \(.*val.*\): the same picture as .*{splits['train'][0].name} \(", warning
    )


@pytest.mark.parametrize("layout", WRITERS)
def test_object_that_is_there_twice_is_a_warning(tmp_path, layout):
    (tmp_path / "drawn").mkdir()
    splits = draw(tmp_path / "drawn")
    splits["val"][1].boxes.append(splits["val"][1].boxes[0])
    faults, warnings = check_lines(WRITERS[layout](tmp_path / layout, tmp_path / "drawn", splits))
    assert faults == []
    (warning,) = warnings
    assert f"{splits['val'][1].name} is there 2 times for one class; keep one of them" in warning


def test_label_file_without_picture_is_a_warning(sound, tmp_path):
    root = Path(shutil.copytree(sound["yolo"], tmp_path / "yolo"))
    remove_picture(root)
    faults, warnings = check_lines(root)
    assert faults == []
    assert warnings == [f"{labels(root)}: labels of no picture; restore the picture or remove the file"]


def test_every_fault_is_listed_at_once(sound, tmp_path):
    for layout, variants in (("voc", VOC), ("coco", COCO), ("yolo", YOLO)):
        root = Path(shutil.copytree(sound[layout], tmp_path / layout))
        for path in root.rglob("val_00[012].png"):
            path.write_bytes(b"")
        damages = {"voc": "inverted box", "coco": "missing box", "yolo": "six numbers"}
        variants[damages[layout]][0](root)
        faults, _ = check_lines(root)
        assert len(faults) == 4, faults
