"""Samples of a data set as the network gets them, after the whole pipeline, on one picture."""

import io
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically

from .collate import check_packed
from .detection_dataset import DetectionDataset
from .drawing import draw_boxes
from .samplers import SeededSampler

_TILE = 400  # long side of a sample, pixels
_CAPTION = 18  # height of the line below it
_GAP = 6


def read_objects(sample: dict) -> tuple[Tensor, Tensor, Tensor]:
    """The objects of a packed sample.

    Args:
        sample: What `PackTrain` or `PackEval` returns.

    Returns:
        (n, 4) xyxy in pixels of its `inputs`; (n,) index of the class; (n,) bool, whether scoring ignores it.
    """
    known = sample["data_samples"]
    parts = [known.gt_instances, known.ignored_instances]
    bboxes = torch.cat([part.bboxes for part in parts])
    if "pad_param" in known:  # of evaluation, where boxes are in pixels of the original
        top, _, left, _ = known.pad_param
        bboxes = bboxes * torch.tensor(known.scale_factor).repeat(2) + torch.tensor([left, top]).repeat(2)
    ignored = torch.tensor([False, True]).repeat_interleave(torch.tensor([len(part.bboxes) for part in parts]))
    return bboxes, torch.cat([part.labels for part in parts]), ignored


def first_keys(dataset: DetectionDataset, num: int, seed: int) -> list[tuple[int, int, int]]:
    """Keys of the samples that a training with this seed, by one process, sees first; of all where there are fewer."""
    return list(islice(SeededSampler(dataset, seed=seed), num))


def write_contact_sheet(dataset: DetectionDataset, path: str | Path, num: int = 16, seed: int = 0) -> None:
    """Draws the first samples of an epoch, with boxes and class names; those that scoring ignores are dashed.

    Below each stands its picture's id; of a mosaic, that of the picture that is in it for certain.

    Args:
        dataset: For training, where these are the samples that a run with this seed sees first, or for evaluation.
        path: PNG file to write.
        num: How many samples.
        seed: Of their choice and augmentation.

    Raises:
        UsageError: `num` is below 1, the file is no PNG, a picture is faulty, or the pipeline packs no samples.
    """
    path = Path(path)
    if num < 1 or path.suffix.lower() != ".png":
        raise UsageError(f"{path}, {num} samples: give the name of a .png file, and a number from 1 on")
    samples = [dataset[key] for key in first_keys(dataset, num, seed)]
    check_packed(samples)
    tiles = [_tile(sample, dataset.metainfo["classes"]) for sample in samples]
    columns = math.ceil(math.sqrt(len(tiles)))
    width, height = (max(sides) + _GAP for sides in zip(*(tile.size for tile in tiles), strict=True))
    sheet = Image.new("RGB", (columns * width + _GAP, math.ceil(len(tiles) / columns) * height + _GAP), "white")
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet.paste(tile, (column * width + _GAP, row * height + _GAP))
    data = io.BytesIO()
    sheet.save(data, "png")
    write_atomically(path, data.getbuffer())


def _tile(sample: dict, classes: Sequence[str]) -> Image.Image:
    """One sample, enlarged or reduced, with its boxes, and below it the id of its picture."""
    image = Image.fromarray(sample["inputs"].flip(0).permute(1, 2, 0).numpy())  # (3, H, W) BGR -> (H, W, 3) RGB
    factor = _TILE / max(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)))
    bboxes, labels, ignored = read_objects(sample)
    names = [classes[label] for label in labels]
    draw_boxes(image, (bboxes * factor).tolist(), labels.tolist(), names, ignored.tolist())
    tile = Image.new("RGB", (image.width, image.height + _CAPTION), "white")
    tile.paste(image)
    caption, font = str(sample["data_samples"].img_id), ImageFont.load_default(_CAPTION - 4)
    ImageDraw.Draw(tile).text((0, image.height + 1), caption, "black", font)
    return tile
