"""From the records of runs (`record.json`) to the tables of the study, and from these to one row for each model.

A run counts when it is complete, or was stopped early; every other one is named. Scores are those of the last epoch, so
that nothing is selected on the set that it is measured on.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from yolo_plugins.costs.utilization import flops_of
from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import data_name, pretraining_name
from yolo_plugins.record import Record, read_record
from yolo_plugins.study.tables.csv_table import make_table
from yolo_plugins.study.tables.families import family_of
from yolo_plugins.study.tables.quantities import OTHER_LOSS, of_source, performances
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, MODELS, PROTOCOLS, RUN_QUANTITIES, RUNS

_VERSIONS = ("python", "torch", "mmdet", "mmpretrain", "timm", "yolo_plugins")
_TRAINED = ("protocol_sha256", "loss", "dataset", "pretrained", "backbone_top1")  # of a model, where its seeds agree
_PARTS = ("", "_backbone", "_neck", "_head")


@dataclass(frozen=True)
class Collected:
    """The tables of a study.

    Attributes:
        runs: Of the schema RUNS, by model and seed.
        protocols: Of the schema PROTOCOLS, those of the runs.
        epochs: Of the schema EPOCHS.
        complexity: Of the schema COMPLEXITY: two forms of each model at each input size.
        left_out: A sentence for each run that is in no table.
    """

    runs: pd.DataFrame
    protocols: pd.DataFrame
    epochs: pd.DataFrame
    complexity: pd.DataFrame
    left_out: tuple[str, ...]


def with_tables(sources: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """The sources of a study, with the tables of these names in place of a folder that holds runs.csv, but no run."""
    found = []
    for source in sources:
        holds_tables = (source / RUNS.name).is_file() and not any(source.rglob("record.json"))
        found += [source / name for name in names if (source / name).is_file()] if holds_tables else [source]
    return found


def folders_among(sources: Sequence[Path]) -> list[Path]:
    """The sources of a study if they are work directories; none if they are tables.

    Raises:
        UsageError: Some are folders, and others files or absent.
    """
    folders = [source for source in sources if source.is_dir()]
    if folders and len(folders) < len(sources):
        if absent := next((source for source in sources if not source.exists()), None):
            raise UsageError(f"{absent}: no such file or folder: give the work dir of a run, or a folder of them")
        raise UsageError(f"{folders[0]} is a folder, others are files: give work directories or tables, not both")
    return folders


def find_records(folders: Iterable[str | Path]) -> list[Path]:
    """Records in the folders and at any depth below, each once, by path.

    Raises:
        UsageError: A folder does not exist or holds no record.
    """
    found: dict[Path, Path] = {}  # resolved -> as given
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder: give the work dir of a run, or a folder of them")
        records = sorted(folder.rglob("record.json"))
        if not records:
            raise UsageError(f"{folder}: no record.json in it or below, and no runs.csv: give the work dir of a run")
        for record in records:
            found.setdefault(record.resolve(), record)
    return sorted(found.values())


def collect(paths: Iterable[str | Path], apart: Callable[[Record], Any] = lambda record: None) -> Collected:
    """Reads records into tables.

    Args:
        paths: Of the records.
        apart: What else tells two runs of one model and seed apart, so that both may be there.

    Raises:
        UsageError: A record cannot be read, is of another version or lacks something; two are of one model and seed;
            one model has several counts at one input size; no run is complete.
    """
    records = [(path, read_record(path)) for path in map(Path, paths)]
    reasons = [(path, record, _reason_to_leave_out(record)) for path, record in records]
    left_out = tuple(f"{path}: {reason}" for path, _, reason in reasons if reason)
    complete = [(path, record) for path, record, reason in reasons if not reason]
    if not any(record["status"] == "complete" for _, record in complete):
        raise UsageError(f"no complete run among {len(records)} ({'; '.join(left_out)}): train one to its end")
    _refuse_doubles(complete, apart)
    complete.sort(key=lambda item: (item[1]["config_name"], item[1]["seed"]))
    rows = [(str(path), _from(path, record, _run_row)) for path, record in complete]
    epochs = [
        (f"{path}, epoch {row['epoch']}", row) for path, record in complete for row in _from(path, record, _epoch_rows)
    ]
    return Collected(
        make_table(rows, RUNS),
        make_table(_protocol_rows(complete), PROTOCOLS),
        make_table(epochs, EPOCHS),
        make_table(_count_rows(complete), COMPLEXITY),
        left_out,
    )


def models_table(runs: pd.DataFrame, complexity: pd.DataFrame) -> pd.DataFrame:
    """One row for each model: means and standard deviations over its seeds, with what it costs.

    A mean is null where a seed lacks the value. That of a measured cost, which no seed changes, is over the seeds that
    have it, and null where they ran on several devices, with several numbers of threads or in several precisions.

    Args:
        runs: Of the schema RUNS.
        complexity: Of the schema COMPLEXITY; of its rows, those of the train form count.

    Returns:
        Of the schema MODELS, by model.

    Raises:
        UsageError: Several configs under one name, or no count of a model at its size.
    """
    _refuse_several_configs(runs)
    counted = [row.column for row in of_source("counted")]
    counts = complexity[complexity["form"] == "train"].set_index(["model", "input_h", "input_w"])
    rows = []
    for model, group in runs.groupby("model"):
        first = group.iloc[0]
        key = (model, first["input_h"], first["input_w"])
        if key not in counts.index:
            raise UsageError(
                f"complexity.csv has no row of {model} in form train at {key[1]} x {key[2]} pixels, which runs.csv "
                "has: add it with yolo-plugins collect-complexity"
            )
        row = dict(zip(("model", "input_h", "input_w"), key, strict=True)) | _over_seeds(group)
        row |= {name: group[name].iloc[0] for name in _TRAINED if group[name].nunique(False) == 1}
        row |= {"family": first["family"], "seeds": len(group)} | counts.loc[key, counted].to_dict()
        rows.append((f"model {model}", {name: None if pd.isna(value) else value for name, value in row.items()}))
    return make_table(rows, MODELS)


def leave_out_stopped(runs: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The runs of the models that have a final value of every seed, and a note on the others.

    A mean over the seeds that were not stopped would be of those that did well. That of the other models is of models
    that did well, too, which the note says.

    Args:
        runs: Of the schema RUNS.

    Raises:
        UsageError: Every model has a run that was stopped.
    """
    stopped = runs[runs["stopped"].notna()]
    if stopped.empty:
        return runs, ()
    kept = runs[~runs["model"].isin(stopped["model"])]
    if kept.empty:
        raise UsageError("a run of every model was stopped early: train them on, by the study without --stop-early")
    told = "; ".join(
        f"{row['model']} seed {row['seed']} after epoch {row['epochs']} ({row['stopped']})"
        for _, row in stopped.iterrows()
    )
    return kept, (
        f"Stopped early, and the model with all its seeds in no law and on no front: {told}. These were forecast to "
        "be beaten, so the laws of the others are of a better selection than all models.",
    )


def describe_differences(runs: pd.DataFrame) -> tuple[str, ...]:
    """What a reader of means over these runs has to know: sentences on devices, sizes, versions and seeds.

    Args:
        runs: Of the schema RUNS.
    """
    devices = sorted(set(runs["device"]))
    notes = [f"Runs on several devices ({', '.join(devices)}): times do not compare."] if len(devices) > 1 else []
    sizes = sorted(set(zip(runs["input_h"], runs["input_w"], strict=True)))
    if len(sizes) > 1:
        notes.append(f"Runs at several input sizes ({', '.join(f'{height} x {width}' for height, width in sizes)}).")
    several = [name for name in (*_VERSIONS, "git_commit") if runs[name].nunique(dropna=False) > 1]
    if several:
        notes.append(f"Runs of several versions of {', '.join(several)}.")
    if runs["git_dirty"].fillna(False).any():
        notes.append("Some runs are of a checkout with uncommitted changes.")
    seeds = runs.groupby("model").size()
    if seeds.nunique() > 1:
        notes.append(f"Means are over {seeds.min()} to {seeds.max()} seeds, according to the model.")
    return tuple(notes)


def _from(path: Path, record: Record, build: Callable[[Record], Any]) -> Any:
    """What `build` makes of a record, whose lacks are the file's fault."""
    try:
        return build(record)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UsageError(f"{path}: the record is damaged ({_fault(error)}): train it again, or move it away") from error


def _fault(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]


def _reason_to_leave_out(record: Record) -> str | None:
    status, epochs = record.get("status"), record.get("epochs") or []
    if status not in ("complete", "stopped"):
        return f"{status} after {len(epochs)} of {record.get('max_epochs')} epochs"
    if record.get("input_hw") is None or record.get("complexity") is None:
        return "its data set has no fixed img_size, so that nothing was counted"
    return None


def _refuse_doubles(records: Sequence[tuple[Path, Record]], apart: Callable[[Record], Any]) -> None:
    first: dict[tuple[str, int, Any], tuple[Path, Record]] = {}
    for path, record in records:
        key = _from(path, record, lambda record: (record["config_name"], record["seed"], apart(record)))
        earlier_path, earlier = first.setdefault(key, (path, record))
        if earlier is not record:
            model, seed, _ = key
            same = _from(path, record, lambda record: record["config_sha256"]) == earlier.get("config_sha256")
            remedy = "move one away" if same else "their configs differ: give one of these a name of its own"
            raise UsageError(f"{earlier_path} and {path} are both of {model} with seed {seed}: {remedy}")


def _run_row(record: Record) -> dict[str, Any]:
    epochs, summary, device = record["epochs"], record["summary"], record["device"]
    height, width, counts = _counted(record)
    last = {**epochs[-1]["scores"], **epochs[-1], **summary}
    git = record["git"] or {"commit": None, "dirty": None}
    train_seconds = [row["train_seconds"] for row in epochs]
    val_seconds = [row["val_seconds"] for row in epochs if row["val_seconds"] is not None]
    return {
        "model": record["config_name"],
        "family": family_of(record["modules"]),
        "backbone": record["modules"].get("backbone"),
        **{name: record[name] for name in ("seed", "config_sha256", "protocol_sha256", "loss")},
        "dataset": data_name(record["protocol"]),
        "pretrained": pretraining_name(record["protocol"]),
        "backbone_top1": record.get("backbone_top1"),
        **{name: record[name] for name in ("schedule", "amp", "total_batch")},
        "epochs": len(epochs),
        "stopped": record.get("stopped_because") if record["status"] == "stopped" else None,
        "input_h": height,
        "input_w": width,
        "train_images": record["dataset_sizes"]["train"],
        "val_images": record["dataset_sizes"].get("val"),
        **{row.column: last.get(row.column) for row in RUN_QUANTITIES},
        **{name: summary[name] for name in ("best_ap50", "best_ap50_epoch")},
        "train_seconds": sum(train_seconds),
        "epoch_seconds": sum(train_seconds) / len(train_seconds),
        "val_seconds": sum(val_seconds) if val_seconds else None,
        "peak_memory_bytes": max(row["peak_memory_bytes"] for row in epochs),
        **{row.column: counts.get(row.column) for row in of_source("measured")},
        **{name: counts.get(name) for name in ("images_per_second", "latency_precision")},
        "device": device["name"],
        "device_count": device["count"],
        "threads": device["threads"],
        "git_commit": git["commit"],
        "git_dirty": git["dirty"],
        **{name: record["versions"].get(name) for name in _VERSIONS},
        **{name: record[name] for name in ("started", "command")},
    }


def _counted(record: Record) -> tuple[int, int, dict[str, Any]]:
    """Height and width of the input, and the counts, both of which a run has that is not left out."""
    if record["input_hw"] is None or record["complexity"] is None:
        raise TypeError("nothing was counted")
    height, width = record["input_hw"]
    return height, width, record["complexity"]


def _epoch_rows(record: Record) -> list[dict[str, Any]]:
    common = {"model": record["config_name"], "seed": record["seed"]}
    terms = {row.column for row in of_source("loss") if row.role == "curve"}
    scores = {row.column for row in of_source("score")}
    return [
        common
        | {name: value for name, value in row.items() if name in EPOCHS.column_names}
        | {name if name in terms else f"{OTHER_LOSS.name}{name}": loss for name, loss in row["losses"].items()}
        | {name: value for name, value in row["scores"].items() if name in scores}
        for row in record["epochs"]
    ]


def _count_rows(records: Iterable[tuple[Path, Record]]) -> list[tuple[str, dict[str, Any]]]:
    """Rows of complexity.csv, one for each model, form and size, whatever the number of seeds."""
    found: dict[tuple[Any, ...], tuple[str, dict[str, Any]]] = {}
    for path, record in records:
        for row in _from(path, record, _forms):
            earlier, same = found.setdefault(tuple(row[name] for name in COMPLEXITY.key), (str(path), row))
            if same != row:
                raise UsageError(
                    f"{earlier} and {path} count {row['model']} differently ({same['macs']:,} and {row['macs']:,} "
                    f"MACs, {same['params']:,} and {row['params']:,} parameters): give one of them a name of its own"
                )
    return list(found.values())


def _forms(record: Record) -> list[dict[str, Any]]:
    height, width, counts = _counted(record)
    common = {"model": record["config_name"], "input_h": height, "input_w": width}
    numbers = {f"{name}{part}": counts.get(f"{name}{part}") for part in _PARTS for name in ("params", "macs", "flops")}
    train = {"form": "train", **numbers, "uncounted_operators": " ".join(counts["uncounted_operators"])}
    macs = counts["macs_deploy"]
    return [
        common | train,
        common | {"form": "deploy", "params": counts["params_deploy"], "macs": macs, "flops": flops_of(macs)},
    ]


def _protocol_rows(records: Iterable[tuple[Path, Record]]) -> list[tuple[str, dict[str, Any]]]:
    """Rows of protocols.csv, those of each protocol once."""
    found = {record["protocol_sha256"]: (str(path), record["protocol"]) for path, record in reversed(list(records))}
    return [
        (path, {"protocol_sha256": sha256, "key": key, "value": json.dumps(value, ensure_ascii=False)})
        for sha256, (path, protocol) in reversed(found.items())
        for key, value in protocol.items()
    ]


def _refuse_several_configs(runs: pd.DataFrame) -> None:
    for model, group in runs.groupby("model"):
        if group["config_sha256"].nunique() > 1:
            found = ", ".join(f"seed {row['seed']}: {row['config_sha256'][:12]}" for _, row in group.iterrows())
            raise UsageError(f"{model} has several configs ({found}): give each config a name of its own")


def _over_seeds(group: pd.DataFrame) -> dict[str, float | None]:
    """Means and standard deviations of the runs of one model."""
    numbers = {name: group[name].mean(skipna=False) for name in performances()}
    numbers |= {f"{name}_sd": group[name].std(skipna=False) for name in performances()}
    alike = all(group[name].nunique() <= 1 for name in ("device", "threads", "latency_precision"))
    return numbers | {row.column: group[row.column].mean() if alike else None for row in of_source("measured")}
