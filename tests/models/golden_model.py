"""A golden file of a model, and our detector with its weights."""

import json
import re
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from yolo_plugins.checkpoints import scaled_yolov4, yolov5
from yolo_plugins.models.losses import YOLOLoss
from yolo_plugins.registry import MODELS

MODEL_CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "_base_" / "models"
HEAVY_OBJECTNESS = 1.4  # of Scaled-YOLOv4 with four and more levels


class Golden:
    """One golden file and our detector with its weights; levels are ours, fine to coarse."""

    def __init__(self, path: Path) -> None:
        self.arrays = np.load(path)
        self.meta = self.json("meta")
        self.kind = re.match(r"yolov5|yolov4(csp(?=cfg)|csp|p5|p6|p7|tiny)", path.name)[0]
        self.is_darknet = "div" in self.meta
        self.strides = sorted(int(stride) for stride in self.meta["strides"])
        self.file_levels = [self.meta["strides"].index(stride) for stride in self.strides]
        self.state_dict = {key[3:]: self.tensor(key) for key in self.arrays.files if key.startswith("sd/")}
        self.inputs = self.tensor("image_u8").float() / 255

    @property
    def is_yolov5(self) -> bool:
        return self.kind == "yolov5"

    def config(self, **norm: float) -> dict:
        """Config of the detector, as our configs have it, at the file's scale."""
        name = self.kind.replace("yolov4", "yolov4_")
        model = Config.fromfile(MODEL_CONFIGS / f"{name}.py").model
        model.bbox_head.num_classes = self.meta["nc"]
        width = 1 / self.meta["div"] if self.is_darknet else self.meta["width"]
        scale = dict(widen_factor=width, norm_cfg=dict(type="BN", eps=self.meta["bn_eps"], momentum=0.03) | norm)
        if self.is_darknet:
            scale["channel_divisor"] = 1
        if self.kind != "yolov4tiny":
            scale["deepen_factor"] = self.meta.get("depth", 1.0)
        model.backbone.update(scale)
        model.neck.update(scale)
        if self.is_darknet and self.kind == "yolov4csp":
            model.neck.joint_norm = False
            model.bbox_head.assigner = dict(type="ShapeAssigner", both_sides=False)
        return model

    def convert(self, state_dict: dict) -> "OrderedDict[str, Tensor]":
        converter = yolov5 if self.is_yolov5 else scaled_yolov4
        return converter.convert_state_dict(state_dict)

    def build(self, **norm: float) -> torch.nn.Module:
        detector = MODELS.build(self.config(**norm))
        detector.load_state_dict(self.convert(self.state_dict), strict=True)
        return detector

    @cached_property
    def our_names(self) -> dict[str, str]:
        """Ours by the reference's names; what is joined out of two of its tensors is missing."""
        tags = {key: torch.full_like(value, index, dtype=torch.float64) for index, (key, value) in self._numbered()}
        official = dict(self._numbered())
        names = {}
        for ours, value in self.convert(tags).items():
            numbers = value.unique().tolist()
            if len(numbers) == 1:
                names[official[int(numbers[0])][0]] = ours
        return names

    def _numbered(self) -> list[tuple[int, tuple[str, Tensor]]]:
        return list(enumerate(self.state_dict.items()))

    def loss(self, gains: str) -> YOLOLoss:
        """The loss with the file's gains as weights, with or without the factors for classes and image size."""
        stated = self.json("hyp_unscaled")
        box, obj, cls = stated.get("box", stated.get("giou")), stated["obj"], stated["cls"]
        if gains == "unscaled":
            cls *= 80 / self.meta["nc"]
        if not self.is_yolov5 and len(self.strides) >= 4:
            obj *= HEAVY_OBJECTNESS
        size = 640 if self.is_yolov5 and gains == "scaled" else None
        terms = dict(loss_box=dict(weight=box), loss_obj=dict(weight=obj), loss_cls=dict(weight=cls))
        return YOLOLoss(**terms, balance=self.config().bbox_head.get("loss", {}).get("balance"), reference_size=size)

    def json(self, key: str) -> dict:
        return json.loads(str(self.arrays[key]))

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def level(self, name: str, level: int) -> Tensor:
        """An array of one of our levels; `name` has a {} for the file's level."""
        return self.tensor(name.format(self.file_levels[level]))

    def decoded(self, key: str = "eval_decoded") -> Tensor:
        """(N, P, 5 + K) decoded outputs, our levels in our order."""
        sizes = [self.level("eval_raw_l{}", level)[0, ..., 0].numel() for level in range(len(self.strides))]
        in_file = [sizes[self.file_levels.index(number)] for number in range(len(sizes))]
        parts = self.tensor(key).split(in_file, dim=1)
        return torch.cat([parts[number] for number in self.file_levels], 1)

    @property
    def targets(self) -> Tensor:
        """(M, 6) image, class, xyxy pixels."""
        h, w = self.inputs.shape[2:]
        index, centre, size = self.tensor("targets").split((2, 2, 2), 1)
        scale = torch.tensor([w, h])
        return torch.cat((index, (centre - size / 2) * scale, (centre + size / 2) * scale), 1)
