"""What a training batch holds: MMDetection's data samples, which travel and are read as one table of boxes.

A data set gives, and MMDetection's detectors take, one `DetDataSample` a picture. Between worker and detector a batch
of them is one tensor: hundreds of small ones would each be handed over, and copied to the device, by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor


class TrainingSamples(Sequence[DetDataSample]):
    """A sequence of data samples with `gt_instances`, kept as rows until somebody asks for the samples themselves.

    Args:
        samples: One for each picture of the batch, `gt_instances` with `bboxes` (n, 4) xyxy in input pixels and
            `labels` (n,).
    """

    def __init__(self, samples: Iterable[DetDataSample]) -> None:
        self._samples: list[DetDataSample] | None = list(samples)
        self._infos = [sample.metainfo for sample in self._samples]
        self._rows: Tensor | None = None

    @classmethod
    def from_rows(cls, rows: Tensor, infos: Iterable[Mapping[str, Any]]) -> "TrainingSamples":
        """Samples of a batch that is there as rows.

        Args:
            rows: As `rows`.
            infos: Metainfo of each picture.
        """
        made = cls([])
        made._samples, made._rows, made._infos = None, rows, [dict(info) for info in infos]
        return made

    @property
    def rows(self) -> Tensor:
        """(M, 6) float32: place of the picture in the batch, class, x1, y1, x2, y2 in input pixels."""
        if self._rows is None:
            self._rows = stack_targets(list(self))
        return self._rows

    def to(self, device: torch.device | str, **metainfo: Any) -> "TrainingSamples":
        """The same boxes on a device, with metainfo that all pictures share."""
        rows = self.rows.to(device, non_blocking=True)
        return TrainingSamples.from_rows(rows, ({**info, **metainfo} for info in self._infos))

    def scaled(self, scale_w: float, scale_h: float) -> "TrainingSamples":
        """The same boxes on pictures that were scaled so."""
        factors = self.rows.new_tensor([1, 1, scale_w, scale_h, scale_w, scale_h])
        return TrainingSamples.from_rows(self.rows * factors, self._infos)

    def pin_memory(self) -> "TrainingSamples":
        """The same boxes in memory from which a GPU copies; the data loader calls it."""
        return TrainingSamples.from_rows(self.rows.pin_memory(), self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getitem__(self, index: Any) -> Any:
        if self._samples is None:
            self._samples = [_sample(self.rows, place, info) for place, info in enumerate(self._infos)]
        return self._samples[index]

    def __getstate__(self) -> dict[str, Any]:
        return {"_samples": None, "_rows": self.rows, "_infos": self._infos}


def stack_targets(samples: Tensor | Sequence[DetDataSample]) -> Tensor:
    """Ground truths as the rows of `TrainingSamples.rows`; what is such a table already is returned as it is."""
    if isinstance(samples, Tensor):
        return samples
    if isinstance(samples, TrainingSamples):
        return samples.rows
    rows = [torch.zeros(0, 6)]
    for place, sample in enumerate(samples):
        truth = sample.gt_instances
        bboxes = getattr(truth.bboxes, "tensor", truth.bboxes).float()
        column = bboxes.new_full((len(bboxes), 1), place)
        rows.append(torch.cat((column, truth.labels[:, None].to(bboxes), bboxes), 1))
    return torch.cat([part.to(rows[-1].device) for part in rows])


def _sample(rows: Tensor, place: int, metainfo: Mapping[str, Any]) -> DetDataSample:
    own = rows[rows[:, 0] == place]
    sample = DetDataSample(metainfo=dict(metainfo))
    sample.gt_instances = InstanceData(bboxes=own[:, 2:], labels=own[:, 1].long())
    sample.ignored_instances = InstanceData(bboxes=own.new_zeros(0, 4), labels=own.new_zeros(0).long())
    return sample
