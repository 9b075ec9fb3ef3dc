"""What the laws of a study promise of single models: one that nobody trained, or two that are to be compared.

It reads what `frontier.analyse` wrote. torch is loaded only where a config has to be built and counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from yolo_plugins.config import describe_config, find_config, input_hw, load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain
from yolo_plugins.protocol import config_part, config_recipe, first_of, loss_name, protocol_of, recipe_differences
from yolo_plugins.study.laws.prediction import (
    Candidate,
    SeedNoise,
    Verdict,
    compare_models,
    own_group,
    predict_model,
    seed_noise,
)
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.families import ALL, family_of, group_title
from yolo_plugins.study.tables.protocols import protocol_of_hash, refuse_mixture
from yolo_plugins.study.tables.quantities import QUANTITIES, costs, of_source, performances

if TYPE_CHECKING:
    from mmengine.config import Config


@dataclass(frozen=True)
class Fitted:
    """What `frontier.analyse` wrote, for one pair of cost and performance.

    Attributes:
        models: models.csv.
        laws: The rows of fits.csv of the pair.
        x: Cost.
        y: Performance.
        protocols: protocols.csv; None where there is none.
        allow_mixed: Whether models that are not trained alike may be compared.
        notes: On models that are not.
    """

    models: pd.DataFrame
    laws: pd.DataFrame
    x: str
    y: str
    protocols: pd.DataFrame | None
    allow_mixed: bool
    notes: tuple[str, ...]


def read_fits(folder: Path, x: str | None = None, y: str | None = None, allow_mixed: bool = False) -> Fitted:
    """Reads models.csv and the laws of one pair.

    Args:
        folder: Where `frontier.analyse` wrote.
        x: Cost; None for that of the first row, the headline.
        y: Performance; None likewise.
        allow_mixed: Whether models of several protocols may be compared.

    Raises:
        UsageError: A file is not there, not valid, or has no law of this pair; or the models are of several protocols.
    """
    for table in (schema.FITS, schema.MODELS):
        if not (folder / table.name).is_file():
            raise UsageError(f"{folder} has no {table.name}: give the folder that frontier.py wrote with --out")
    fits = schema.read_table(folder / schema.FITS.name, schema.FITS)
    x, y = x or fits["x"].iloc[0], y or fits["y"].iloc[0]
    laws = fits[(fits["x"] == x) & (fits["y"] == y)]
    if ALL not in set(laws["group"]):
        known = [f"--{axis} {', '.join(fits[axis].drop_duplicates())}" for axis in ("x", "y")]
        raise UsageError(f"{folder / schema.FITS.name}: no law of {y} against {x}: it has {' and '.join(known)}")
    if x not in costs() or y not in performances():
        raise UsageError(f"{folder / schema.FITS.name}: {y} or {x} is known no longer: write it anew with frontier.py")
    models, path = schema.read_table(folder / schema.MODELS.name, schema.MODELS), folder / schema.PROTOCOLS.name
    protocols = schema.read_table(path, schema.PROTOCOLS) if path.is_file() else None
    notes = tuple(f"note: {note}" for note in refuse_mixture(models, protocols, allow_mixed))
    return Fitted(models, laws, x, y, protocols, allow_mixed, notes)


def predict(config: str, fits: Path, x: str | None, y: str | None, allow_mixed: bool = False) -> str:
    """What the law of its own group and that of all models expect of a config that nobody trained.

    Args:
        config: As for `cli.find_config`.
        fits: Folder where `frontier.analyse` wrote.
        x: Cost, as in `read_fits`.
        y: Performance, as in `read_fits`.
        allow_mixed: Whether the models, and the config, may be of several protocols.

    Returns:
        The cost, then for each law the expected value, the interval of one such model, and what is attainable.

    Raises:
        UsageError: As `read_fits`; the config cannot be built or its cost not be counted; or it tells of another
            protocol than that of the models.
    """
    fitted = read_fits(fits, x, y, allow_mixed)
    candidate, told = _count(config, fitted)
    lines, known = [*fitted.notes, told], _trained(candidate.name, fitted)
    lines += [f"In the study itself: {known[1]}"] if known else []
    if own_group(fitted.laws, candidate.family) == ALL:
        family = group_title(candidate.family)
        lines.append(f"There is no law of {family} alone, nor of a group around it: that of all models has to do.")
    ranges, title, cost = fitted.laws.set_index("group"), QUANTITIES[fitted.y].title, QUANTITIES[fitted.x]
    for forecast in predict_model(fitted.laws, candidate.family, candidate.cost):
        expected, row = forecast.prediction, ranges.loc[forecast.group]
        lines += [
            f"{title} by the law of {group_title(forecast.group)} (n = {forecast.n}):",
            f"  expected    {expected.expected:.4g}; with 95 % probability within {expected.low:.4g} .. "
            f"{expected.high:.4g}",
            f"  attainable  {forecast.attainable:.4g} (quantile {forecast.tau:g} of the group)",
            f"  {'inside' if expected.inside else 'OUTSIDE'} the fitted range, {cost.tell(row['x_min'])} .. "
            f"{cost.tell(row['x_max'])}" + ("" if expected.inside else ": the law is taken beyond its data"),
        ]
    return "\n".join(lines)


def compare(first: str, second: str, fits: Path, x: str | None, y: str | None, allow_mixed: bool = False) -> str:
    """Which of two models is better, with what probability, and by what that is known.

    Args:
        first: Name of a model in models.csv, else a config as for `cli.find_config`.
        second: Another.
        fits: Folder where `frontier.analyse` wrote.
        x: Cost, as in `read_fits`.
        y: Performance, as in `read_fits`.
        allow_mixed: As for `predict`.

    Returns:
        A line for each model, and a line for each verdict.

    Raises:
        UsageError: As `predict`; or the two are one model.
    """
    fitted = read_fits(fits, x, y, allow_mixed)
    (one, told), (other, other_told) = (_trained(name, fitted) or _count(name, fitted) for name in (first, second))
    if one.name == other.name:
        raise UsageError(f"{first} and {second} are one model: give two")
    noise = seed_noise(fitted.models, fitted.y)
    verdicts = compare_models(fitted.laws, noise, fitted.y, one, other)
    lines = [*fitted.notes, told, other_told]
    if verdicts[0].basis == "law" and one.measured is not None and other.measured is not None:
        lines.append("No model was trained with several seeds: how far chance moves the measured values is not known.")
    return "\n".join([*lines, *(_tell(verdict, one.name, other.name, noise) for verdict in verdicts)])


def _trained(name: str, fitted: Fitted) -> tuple[Candidate, str] | None:
    """The row of models.csv of this name, and a sentence on it; None where there is none."""
    rows = fitted.models[fitted.models["model"] == Path(name).name.removesuffix(".py")]
    if rows.empty:
        return None
    row, x, y = rows.iloc[0].astype(object), QUANTITIES[fitted.x], QUANTITIES[fitted.y]
    _refuse_other_loss(row["model"], row["loss"], fitted)
    cost, measured, seeds = (None if row.isna()[name] else row[name] for name in (x.column, y.column, "seeds"))
    if cost is None or not schema.is_inside(rows[x.column], x).iloc[0]:
        raise UsageError(f"models.csv has no {x.column} above 0 of {row['model']}: give {_counted_options()}")
    told = "not measured" if measured is None else f"measured {y.title} {measured:.4g}"
    if measured is not None and not schema.is_inside(rows[y.column], y).iloc[0]:
        told, measured = f"{told}, an end of its scale, so that its law stands in for it", None
    runs = "" if seeds is None else f", mean of {seeds} seeds" if seeds > 1 else ", one seed"
    candidate = Candidate(row["model"], row["family"], float(cost), measured, seeds)
    return candidate, f"{row['model']} ({group_title(row['family'])}): {x.tell(cost)}; {told}{runs}"


def _count(config_name: str, fitted: Fitted) -> tuple[Candidate, str]:
    """A config that is built and counted, at the size of the study if it has one, and a sentence on it."""
    if QUANTITIES[fitted.x].source != "counted":
        raise UsageError(f"{config_name}: its {fitted.x} cannot be counted: give {_counted_options()}")
    path = find_config(config_name)
    config = load_config(str(path))
    _refuse_other_loss(str(path), loss_name(config.to_dict()), fitted)
    caveats = _compare_recipes(path, config, fitted)
    sizes = fitted.models[["input_h", "input_w"]].drop_duplicates().to_numpy().tolist()
    height, width = sizes[0] if len(sizes) == 1 else input_hw(config)
    from yolo_plugins.costs.complexity import count_parts
    from yolo_plugins.registry import MODELS

    try:
        counts = count_parts(MODELS.build(config.model), (height, width))
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        raise UsageError(f"{path}: {sentence}") from error
    family = family_of(describe_config(config)["modules"])
    costs = " and ".join(row.tell(counts[row.name]) for row in of_source("counted"))
    told = f"{path.stem} ({group_title(family)}): {costs}, counted at {height} x {width} pixels"
    return Candidate(path.stem, family, counts[fitted.x]), "\n".join([told, *caveats])


def _refuse_other_loss(name: str, loss: str | None, fitted: Fitted) -> None:
    """Raises `UsageError` for a quantity of the loss, where a model is of another loss than those of the law."""
    quantity, models = QUANTITIES[fitted.y], fitted.models
    losses = models.loc[schema.of_one_loss(models), "loss"].dropna().unique()
    if quantity.by_loss and len(losses) and loss != losses[0]:
        present = [other for other, row in performances().items() if not row.by_loss and models[other].notna().any()]
        raise UsageError(
            f"{name} is of the loss {'(not recorded)' if pd.isna(loss) else loss}, the law of {losses[0]}: their "
            f"{quantity.title} does not compare: give --y {' or --y '.join(present) or 'and models of one loss'}"
        )


def _compare_recipes(path: Path, config: "Config", fitted: Fitted) -> list[str]:
    """What to know where a config is not seen to be trained as the models of the study.

    Raises:
        UsageError: It is seen to be trained otherwise, which is not allowed.
    """
    hashes = fitted.models["protocol_sha256"].drop_duplicates()
    known = protocol_of_hash(hashes.iloc[0], fitted.protocols)
    if len(hashes) > 1:
        return []  # a note tells that
    if known is None:
        return ["note: how the models of the study were trained is not recorded: their law is of models trained alike"]
    length = {"epochs": known["epochs"]} if "epochs" in known else {}
    own = dict.fromkeys(length, config.train_cfg.max_epochs) | protocol_of(config_recipe(config))
    difference = first_of(recipe_differences(length | config_part(known), own))
    if not difference:
        return []
    told = f"{path}: trained otherwise than the models of the study ({difference})"
    if not fitted.allow_mixed:
        raise UsageError(f"{told}: give a config of their protocol, or --allow-mixed, as if it were trained like them")
    return [f"note: {told}: taken as if trained like them (--allow-mixed)"]


def _tell(verdict: Verdict, first: str, second: str, noise: SeedNoise | None) -> str:
    """The verdict, the more probable model first."""
    better, worse, probability = (first, second, verdict.probability)
    if probability < 0.5:
        better, worse, probability = second, first, 1 - probability
    basis = {
        "seeds": f"by the measured means and the noise of the seeds{noise and f' (sd {100 * noise.sd:.2g} %)'}",
        "measured": f"by the measured value and the law of {group_title(verdict.group)}",
        "law": f"by the law of {group_title(verdict.group)} alone, as if neither were trained",
    }[verdict.basis]
    freedom = f"{verdict.dof} degree{'s' if verdict.dof > 1 else ''} of freedom"
    return f"{better} is better than {worse} with probability {probability:.3g}, {basis}; {freedom}"


def _counted_options() -> str:
    """The costs that a config has without being run, as options."""
    return " or ".join(f"--x {row.name}" for row in of_source("counted"))
