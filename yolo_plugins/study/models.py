"""The models that `frontier.analyse` wrote, and their pooled law."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.study.laws.prediction import StudyLaw
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.protocols import refuse_mixture
from yolo_plugins.study.tables.quantities import DEFAULT_PREDICTOR, QUANTITIES, costs, performances


@dataclass(frozen=True)
class Models:
    """What `frontier.analyse` wrote of the models.

    Attributes:
        path: Of models.csv.
        table: What it holds.
        protocols: protocols.csv; None where there is none.
        x: Cost.
        y: Performance.
        allow_mixed: Whether models that are not trained alike may be compared.
        notes: On models that are not.
    """

    path: Path
    table: pd.DataFrame
    protocols: pd.DataFrame | None
    x: str
    y: str
    allow_mixed: bool
    notes: tuple[str, ...]

    @cached_property
    def law(self) -> StudyLaw:
        """Their pooled law.

        Raises:
            UsageError: They have none.
        """
        return self.law_without("")

    def law_without(self, model: str) -> StudyLaw:
        """The pooled law of all models but one; otherwise as `law`."""
        try:
            return StudyLaw(self.table[self.table["model"] != model], self.x, self.y)
        except ValueError as error:
            raise UsageError(f"{self.path}: no law of {self.y} against {self.x}: {error}") from error


def describe_law(law: StudyLaw) -> str:
    """A law in words: what it is of, and what enters it."""
    enters = " and ".join([QUANTITIES[law.x].title, *(covariate.title for covariate in law.covariates)])
    return f"the pooled law of {len(law.models)} models in {law.families} families, on {enters}"


def read_models(folder: Path, x: str | None = None, y: str | None = None, allow_mixed: bool = False) -> Models:
    """Reads what a pooled law is fitted to.

    Args:
        folder: Where `frontier.analyse` wrote.
        x: Cost; None for parameters.
        y: Performance; None for the headline.
        allow_mixed: Whether models of several protocols may be compared.

    Raises:
        UsageError: A file is not there or not valid, or the pair is not known; or the models are of several protocols.
    """
    for table in (schema.FITS, schema.MODELS):
        if not (folder / table.name).is_file():
            raise UsageError(
                f"{folder} has no {table.name}: give the folder that yolo-plugins frontier wrote with --out"
            )
    y = schema.read_table(folder / schema.FITS.name, schema.FITS)["y"].iloc[0] if y is None else y
    x, path = DEFAULT_PREDICTOR if x is None else x, folder / schema.MODELS.name
    for name, known, option in ((x, costs(), "x"), (y, performances(), "y")):
        if name not in known:
            raise UsageError(f"{folder}: {name!r} is no quantity of a study: give --{option} {', '.join(known)}")
    models, protocols = schema.read_table(path, schema.MODELS), folder / schema.PROTOCOLS.name
    known_protocols = schema.read_table(protocols, schema.PROTOCOLS) if protocols.is_file() else None
    notes = tuple(f"note: {note}" for note in refuse_mixture(models, known_protocols, allow_mixed))
    return Models(path, models, known_protocols, x, y, allow_mixed, notes)
