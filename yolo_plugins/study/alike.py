"""Whether a config is like the models that it is to be judged by: its size, data, first weights, protocol and loss.

What differs is refused, or by `allow_mixed` told in a note.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.protocol import (
    FROM_SCRATCH,
    config_part,
    config_recipe,
    data_name,
    first_of,
    may_be_same_data,
    protocol_of,
    recipe_differences,
)
from yolo_plugins.study.models import Models
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.protocols import protocol_of_hash
from yolo_plugins.study.tables.quantities import QUANTITIES, performances

if TYPE_CHECKING:
    from mmengine.config import Config


class UnlikeError(UsageError):
    """A config is not like the models that it is to be judged by.

    Attributes:
        what: In what, as `of other data`.
    """

    def __init__(self, sentence: str, what: str) -> None:
        super().__init__(sentence)
        self.what = what


def refuse_other_loss(name: str, loss: str | None, models: Models) -> None:
    """Raises `UsageError` for a quantity of the loss, where a model is of another loss than those of the law."""
    quantity, table = QUANTITIES[models.y], models.table
    losses = table.loc[schema.of_one_loss(table), "loss"].dropna().unique()
    if quantity.by_loss and len(losses) and loss != losses[0]:
        present = [other for other, row in performances().items() if not row.by_loss and table[other].notna().any()]
        raise UnlikeError(
            f"{name} is of the loss {'(not recorded)' if pd.isna(loss) else loss}, the law of {losses[0]}: their "
            f"{quantity.title} does not compare: give --y {' or --y '.join(present) or 'and models of one loss'}",
            "of another loss",
        )


def compare_sizes(path: Path, size: tuple[int, int], models: Models) -> tuple[tuple[int, int], list[str]]:
    """The size to count a config at, its own, or by `allow_mixed` the only one of the models; and what to know."""
    sizes = [tuple(row) for row in models.table[["input_h", "input_w"]].drop_duplicates().to_numpy().tolist()]
    if len(sizes) > 1 or size == sizes[0]:
        return size, []
    own, others = (f"{height} x {width} pixels" for height, width in (size, sizes[0]))
    told = _refuse_other(
        f"{path}: it is for {own}, the models were measured at {others}", "of another input size", models
    )
    return sizes[0], [told]


def compare_data(path: Path, recipe: dict[str, Any], models: Models) -> list[str]:
    """What to know where the data of a config are not those of the models."""
    own, others = data_name(recipe), models.table["dataset"].dropna().unique()
    if own is None or not len(others) or any(may_be_same_data(own, other) for other in others):
        return []
    return [_refuse_other(f"{path}: its data are {own}, those of the models {some(others)}", "of other data", models)]


def compare_first_weights(path: Path, config: "Config", published: Any, models: Models) -> list[str]:
    """What to know where what a config, or its backbone, begins with is not what the models began with."""
    own, others = _first_weights(config, published), models.table["pretrained"].dropna().unique()
    if not len(others) or any(other.startswith(own) for other in others):
        return []
    told = f"{path}: its first weights are {own}, those of the models {some(others)}"
    return [_refuse_other(told, "of other first weights", models)]


def _first_weights(config: "Config", published: Any) -> str:
    """What a config begins with, as far as column `pretrained` tells it of a run."""
    if config.get("load_from"):
        return "load_from"
    return f"backbone {published.data or ''}".strip() if published else FROM_SCRATCH


def refuse_missing(name: str, row: Mapping[str, Any], models: Models) -> None:
    """Raises `UsageError` for a model that lacks what all models of the law have, and the law goes by."""
    for covariate in models.law.covariates:
        if any(row[column] is None for column in covariate.columns):
            raise UnlikeError(
                f"{name}: the law goes by {covariate.title}, which is not known of it: give a model whose backbone "
                "begins with published weights, or --fits of models that begin with none",
                f"of unknown {covariate.title}",
            )


def compare_recipes(path: Path, config: "Config", models: Models) -> list[str]:
    """What to know where a config is not seen to be trained as the models of the study."""
    hashes = models.table["protocol_sha256"].drop_duplicates()
    known = protocol_of_hash(hashes.iloc[0], models.protocols)
    if len(hashes) > 1:
        return []  # a note tells that
    if known is None:
        return ["note: how the models were trained is not recorded: they are taken as trained alike, the config too"]
    length = {"epochs": known["epochs"]} if "epochs" in known else {}
    own = dict.fromkeys(length, config.train_cfg.max_epochs) | protocol_of(config_recipe(config))
    difference = first_of(recipe_differences(length | config_part(known), own))
    if not difference:
        return []
    told = f"{path}: trained otherwise than the models of the study ({difference})"
    return [_refuse_other(told, "of another protocol", models)]


def _refuse_other(told: str, what: str, models: Models) -> str:
    """A note on a difference that is allowed.

    Raises:
        UnlikeError: It is not.
    """
    if not models.allow_mixed:
        raise UnlikeError(
            f"{told}: change it by --study or --cfg-options, or give --allow-mixed, as if it were like them", what
        )
    return f"note: {told}: taken as if it were like them (--allow-mixed)"
