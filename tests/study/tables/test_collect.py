"""What of the records comes into the tables, what is left out or refused, and what the means over seeds are."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.record import RECORD_VERSION, EpochRow, Record
from yolo_plugins.study.tables.collect import (
    collect,
    describe_differences,
    find_records,
    leave_out_stopped,
    models_table,
)
from yolo_plugins.study.tables.protocols import protocol_of_hash
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, MODELS, PROTOCOLS, RUNS, read_table, write_table

EXAMPLE = json.loads((Path(__file__).parents[1] / "record.json").read_text())  # of a training of two epochs
MODEL = EXAMPLE["config_name"]


@pytest.fixture
def study(tmp_path):
    """Writes a record, the example with changes by dotted key, into a folder of the study; returns its path."""

    def write(folder, **changes):
        record = copy.deepcopy(EXAMPLE)
        for key, value in changes.items():
            *parents, last = key.split("__")
            place = record
            for parent in parents:
                place = place[int(parent) if parent.lstrip("-").isdigit() else parent]
            place[last] = value
        path = tmp_path / folder / "record.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
        return path

    return write


def tables(*paths):
    collected = collect(paths)
    return collected.runs, collected.complexity


def test_example_is_of_the_version_and_has_the_keys_that_the_engine_writes():
    assert EXAMPLE["schema_version"] == RECORD_VERSION
    assert list(EXAMPLE) == [key for key in Record.__annotations__ if key != "stopped_because"]
    assert list(EXAMPLE["epochs"][0]) == list(EpochRow.__annotations__)


def test_records_are_found_at_any_depth_and_each_once(study, tmp_path):
    first, second = study("a/b"), study("a/c/d/e")
    assert find_records([tmp_path]) == [first, second]
    assert find_records([first.parent, tmp_path / "a", tmp_path]) == [first, second]


def test_folders_without_a_record_are_refused(study, tmp_path):
    study("a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no record.json in it or below"):
        find_records([tmp_path / "a", tmp_path / "empty"])
    with pytest.raises(UsageError, match=r"nowhere: no such folder"):
        find_records([tmp_path / "nowhere"])


def test_a_run_becomes_a_row_of_its_last_epoch(study):
    runs = collect([study("a")]).runs
    assert len(runs) == 1
    row = runs.loc[0]
    first, last = EXAMPLE["epochs"]
    assert row["train_loss"] == last["train_loss"]
    for name in ("ap50", "ap50_95", "precision", "recall", "recall_max"):
        assert row[name] == last["scores"][name] != first["scores"][name]
    assert row["train_seconds"] == first["train_seconds"] + last["train_seconds"]
    assert row["epoch_seconds"] == row["train_seconds"] / 2
    assert row["val_seconds"] == first["val_seconds"] + last["val_seconds"]
    assert row["peak_memory_bytes"] == max(first["peak_memory_bytes"], last["peak_memory_bytes"])
    assert row["inverse_normalized_loss"] == first["train_loss"] / last["train_loss"]
    expected = {
        **{"model": MODEL, "family": "other", "backbone": EXAMPLE["modules"]["backbone"], "seed": 0, "amp": True},
        **{"epochs": 2, "input_h": 160, "input_w": 160, "train_images": 1697, "val_images": 865, "total_batch": 32},
        **{"device": "AMD EPYC", "git_commit": EXAMPLE["git"]["commit"], "git_dirty": False, "timm": "1.0.31"},
    }
    assert row[list(expected)].to_dict() == expected


def test_a_whole_detector_may_lack_parts_and_is_of_no_family(study):
    path = study("a", modules={"detector": "mmdet.RetinaNet"}, complexity__params_neck=None)
    collected = collect([path])
    assert collected.runs.loc[0, "family"] == "other" and collected.runs["backbone"].isna().all()
    assert collected.complexity["params_neck"].isna().all()


def test_terms_of_a_loss_and_scores_have_columns_of_their_own_even_under_a_name_that_is_taken(study):
    epochs = [
        row | {"losses": {"lr": -1.0, "box": 0.5, "train_loss": 9.0}, "scores": {"lr": 0.5, "ap50": 0.25}}
        for row in EXAMPLE["epochs"]
    ]
    table = collect([study("a", epochs=epochs)]).epochs
    assert table["lr"].tolist() == [row["lr"] for row in EXAMPLE["epochs"]]
    assert table["train_loss"].tolist() == [row["train_loss"] for row in EXAMPLE["epochs"]]
    assert (table.loc[0, "loss_lr"], table.loc[0, "box"], table.loc[0, "ap50"]) == (-1.0, 0.5, 0.25)


def test_best_score_stands_apart_from_the_last(study):
    path = study("a", epochs__0__scores__ap50=0.9, summary__best_ap50=0.9, summary__best_ap50_epoch=1)
    row = collect([path]).runs.loc[0]
    assert (row["ap50"], row["best_ap50"], row["best_ap50_epoch"]) == (EXAMPLE["epochs"][1]["scores"]["ap50"], 0.9, 1)


def test_epochs_are_all_there_and_nulls_stay_nulls(study):
    epochs = collect([study("a", epochs__0__scores={}, epochs__0__val_seconds=None)]).epochs
    assert epochs["epoch"].tolist() == [1, 2]
    assert epochs["train_loss"].tolist() == [row["train_loss"] for row in EXAMPLE["epochs"]]
    assert epochs.loc[0, ["ap50", "recall_max", "val_seconds"]].isna().all()
    assert epochs.loc[1, "ap50"] == EXAMPLE["epochs"][1]["scores"]["ap50"]


def test_a_run_that_was_never_validated_and_is_of_no_checkout_has_nulls(study):
    keys = ["epochs__0__val_seconds", "epochs__1__val_seconds", "git", "versions__timm"]
    keys += ["summary__best_ap50", "summary__best_ap50_epoch"]
    scores = {f"epochs__{index}__scores": {} for index in (0, 1)}
    path = study("a", **dict.fromkeys(keys), **scores, dataset_sizes={"train": 1697})
    row = collect([path]).runs.loc[0]
    assert row[["ap50", "val_seconds", "best_ap50", "git_commit", "git_dirty", "timm", "val_images"]].isna().all()
    assert row["train_loss"] == EXAMPLE["epochs"][1]["train_loss"]


def test_seeds_share_the_two_rows_of_their_counts(study):
    complexity = collect([study("a"), study("b", seed=1)]).complexity
    assert complexity["form"].tolist() == ["train", "deploy"]
    train, deploy = complexity.to_dict("records")
    counts = EXAMPLE["complexity"]
    for name in ("params", "macs", "flops", "params_backbone", "macs_neck", "flops_head"):
        assert train[name] == counts[name]
    assert (deploy["params"], deploy["macs"]) == (counts["params_deploy"], counts["macs_deploy"])
    assert deploy["flops"] == 2 * deploy["macs"]
    assert train["uncounted_operators"].split() == counts["uncounted_operators"]
    assert complexity["macs_thop"].isna().all()


def test_tables_are_written_and_read_back_as_they_are(study, tmp_path):
    collected = collect([study("a"), study("b", seed=1), study("c", config_name="another", git=None)])
    for table, frame in ((RUNS, collected.runs), (EPOCHS, collected.epochs), (COMPLEXITY, collected.complexity)):
        write_table(frame, tmp_path / table.name, table)
        assert read_table(tmp_path / table.name, table).equals(frame)


def test_rows_are_by_model_and_seed_whatever_the_folders(study):
    runs = collect(
        [study("a", seed=1), study("b", config_name="zebra"), study("c"), study("d", config_name="ant")]
    ).runs
    assert list(zip(runs["model"], runs["seed"], strict=True)) == [("ant", 0), (MODEL, 0), (MODEL, 1), ("zebra", 0)]


def test_runs_that_are_not_complete_are_named_and_in_no_table(study):
    unfinished = study("b", seed=1, status="interrupted", max_epochs=200)
    unsized = study("c", seed=2, input_hw=None, complexity=None)
    collected = collect([study("a"), unfinished, unsized])
    assert collected.left_out == (
        f"{unfinished}: interrupted after 2 of 200 epochs",
        f"{unsized}: its data set has no fixed img_size, so that nothing was counted",
    )
    assert collected.runs["seed"].tolist() == [0]
    assert set(collected.epochs["seed"]) == {0}


def test_a_study_without_a_complete_run_is_refused_by_their_states(study):
    path = study("a", status="failed")
    with pytest.raises(UsageError, match=rf"no complete run among 1 \({path}: failed after 2 of 2 epochs\)"):
        collect([path])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not a readable record"),
        ("[]", "not a readable record"),
        ('{"status": "complete"}', "not a readable record (no 'schema_version'): move it away"),
        ('{"schema_version": 1}', f"record of version 1, this release reads {RECORD_VERSION}: train it again"),
    ],
)
def test_what_is_no_record_of_this_version_is_refused_by_name(study, text, sentence):
    good, bad = study("a"), study("b")
    bad.write_text(text)
    with pytest.raises(UsageError) as error:
        collect([good, bad])
    assert str(error.value).startswith(f"{bad}: {sentence}")


@pytest.mark.parametrize("key", ["config_name", "config_sha256", "modules", "epochs", "versions", "device", "summary"])
def test_a_record_without_a_key_is_refused_by_name_and_key(study, key):
    path = study("a")
    path.write_text(json.dumps({name: value for name, value in EXAMPLE.items() if name != key}))
    with pytest.raises(UsageError, match=rf"{path}: the record is damaged \({key}: Field required\)"):
        collect([path])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": []}, "the record is damaged (list index out of range)"),
        ({"device": None}, "the record is damaged (device: Input should be a valid dictionary)"),
        (
            {"epochs__1__train_loss": None},
            "the record is damaged (epochs.1.train_loss: Input should be a valid number)",
        ),
        ({"epochs__1__train_loss": -1.0}, "column 'train_loss': '-1.0' is not a finite number of 0 or more"),
        ({"epochs__0__scores__recall": 37.4}, "epoch 1, column 'recall': '37.4' is not a finite number from 0 to 1"),
        ({"complexity__params": 0}, "column 'params': '0' is not a whole number of 1 or more"),
    ],
)
def test_a_damaged_record_is_refused_by_name_and_value(study, changes, sentence):
    path = study("a", **changes)
    with pytest.raises(UsageError) as error:
        collect([path])
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)


def test_two_records_of_a_model_and_seed_are_refused_by_both_names(study):
    first, second = study("a"), study("b")
    with pytest.raises(UsageError, match=rf"{first} and {second} are both of {MODEL} with seed 0: move one away"):
        collect([first, second])
    study("b", config_sha256="0" * 64)
    with pytest.raises(UsageError, match=rf"{first} and {second} .*: their configs differ: give one of these a name"):
        collect([first, second])


def test_counts_that_differ_between_seeds_are_refused_by_both_names(study):
    first, second = study("a"), study("b", seed=1, complexity__macs=7)
    with pytest.raises(UsageError, match=rf"{first} and {second} count {MODEL} differently \(262,952,000 and 7 MACs"):
        collect([first, second])


def test_models_are_means_and_deviations_over_seeds_with_their_costs(study):
    first, second = EXAMPLE["epochs"][-1]["train_loss"], 0.2
    paths = [study("a"), study("b", seed=1, epochs__1__train_loss=second), study("c", config_name="single")]
    models = models_table(*tables(*paths)).set_index("model")
    assert list(models.index) == ["single", MODEL]
    row = models.loc[MODEL]
    assert row["train_loss"] == pytest.approx((first + second) / 2, rel=1e-12)
    assert row["train_loss_sd"] == pytest.approx(abs(first - second) / 2**0.5, rel=1e-12)
    assert row[["params", "macs", "input_h", "input_w", "seeds"]].tolist() == [4229313, 262952000, 160, 160, 2]
    assert row["latency_seconds"] == EXAMPLE["complexity"]["latency_seconds"]
    assert models.loc["single", ["ap50", "seeds"]].tolist() == [EXAMPLE["epochs"][-1]["scores"]["ap50"], 1]
    assert models.loc["single", [name for name in models if name.endswith("_sd")]].isna().all()


def test_models_are_of_the_schema(study, tmp_path):
    models = models_table(*tables(study("a"), study("b", config_name="b")))
    write_table(models, tmp_path / "models.csv", MODELS)
    assert read_table(tmp_path / "models.csv", MODELS).equals(models)


def test_a_mean_of_which_a_seed_is_missing_is_null(study):
    models = models_table(*tables(study("a"), study("b", seed=1, epochs__1__scores__ap50=None)))
    assert models.loc[0, ["ap50", "ap50_sd"]].isna().all()
    assert models.loc[0, "train_loss"] > 0


def test_latency_of_several_devices_is_null_and_told(study):
    runs, complexity = tables(study("a"), study("b", seed=1, device__name="NVIDIA H200"))
    assert models_table(runs, complexity)["latency_seconds"].isna().all()
    assert describe_differences(runs) == ("Runs on several devices (AMD EPYC, NVIDIA H200): times do not compare.",)


def test_latency_of_several_numbers_of_threads_is_null(study):
    one, other = study("a", device__threads=1), study("b", seed=1, device__threads=8)
    assert models_table(*tables(one, other))["latency_seconds"].isna().all()


def test_latency_of_several_precisions_is_null(study):
    one = study("a", complexity__latency_precision="float32")
    other = study("b", seed=1, complexity__latency_precision="tf32")
    runs, complexity = tables(one, other)
    assert runs["latency_precision"].tolist() == ["float32", "tf32"]
    assert models_table(runs, complexity)["latency_seconds"].isna().all()


def test_latency_of_a_model_is_that_of_the_seeds_that_found_the_machine_idle(study):
    found = {"complexity__latency_seconds": 0.02, "complexity__latency_precision": "float32"}
    busy = {"complexity__latency_seconds": None, "complexity__images_per_second": None}
    older = study("c", seed=2, complexity__latency_seconds=0.04)  # of a release that did not tell the precision
    runs, complexity = tables(study("a", **busy), study("b", seed=1, **found), older)
    assert runs["latency_seconds"].isna().tolist() == [True, False, False]
    assert runs["images_per_second"].isna().tolist() == [True, False, False]
    assert runs["latency_precision"].isna().tolist() == [True, False, True]
    assert models_table(runs, complexity)["latency_seconds"].tolist() == [pytest.approx(0.03)]
    assert models_table(*tables(study("a", **busy)))["latency_seconds"].isna().all()


def test_several_input_sizes_are_told(study):
    runs, _ = tables(study("a"), study("b", config_name="b", input_hw=[384, 384]))
    height = EXAMPLE["input_hw"][0]
    assert f"Runs at several input sizes ({height} x {height}, 384 x 384)." in describe_differences(runs)


def test_differences_of_versions_checkouts_and_numbers_of_seeds_are_told(study):
    runs, _ = tables(study("a"), study("b", seed=1, versions__timm=None, git__dirty=True), study("c", config_name="c"))
    assert describe_differences(runs) == (
        "Runs of several versions of timm.",
        "Some runs are of a checkout with uncommitted changes.",
        "Means are over 1 to 2 seeds, according to the model.",
    )
    assert describe_differences(runs[:1]) == ()


def test_a_row_carries_its_protocol_whose_keys_stand_once_in_a_table_of_their_own(study, tmp_path):
    other = {**EXAMPLE["protocol"], "total_batch": 16, "classes": ["=cat", "dog"]}
    paths = study("a"), study("b", seed=1), study("c", config_name="c", protocol=other, protocol_sha256="f" * 64)
    collected = collect(paths)
    assert collected.runs["protocol_sha256"].tolist() == ["f" * 64] + [EXAMPLE["protocol_sha256"]] * 2
    assert collected.runs["loss"].tolist() == [EXAMPLE["loss"]] * 3
    write_table(collected.protocols, tmp_path / "protocols.csv", PROTOCOLS)
    read = read_table(tmp_path / "protocols.csv", PROTOCOLS)
    assert read.equals(collected.protocols)
    assert protocol_of_hash("f" * 64, read) == other
    assert protocol_of_hash(EXAMPLE["protocol_sha256"], read) == EXAMPLE["protocol"]
    assert len(read) == len(other) + len(EXAMPLE["protocol"])


def test_a_model_has_the_protocol_and_the_loss_that_all_its_seeds_share(study):
    runs, complexity = tables(study("a"), study("b", seed=1, protocol_sha256="f" * 64), study("c", config_name="c"))
    models = models_table(runs, complexity).set_index("model")
    assert models.loc["c", ["protocol_sha256", "loss"]].tolist() == [EXAMPLE["protocol_sha256"], EXAMPLE["loss"]]
    assert pd.isna(models.loc[MODEL, "protocol_sha256"]) and models.loc[MODEL, "loss"] == EXAMPLE["loss"]


def test_several_configs_under_one_name_are_refused(study):
    paths = study("a"), study("b", seed=1, config_sha256="0" * 64)
    with pytest.raises(
        UsageError, match=rf"{MODEL} has several configs \(seed 0: e6f1640ce2c1, seed 1: 000000000000\)"
    ):
        models_table(*tables(*paths))


def test_a_model_that_nobody_counted_is_refused_with_the_remedy(study):
    runs, complexity = tables(study("a"), study("b", config_name="b"))
    with pytest.raises(UsageError, match=r"no row of b in form train at 160 x 160 pixels.*collect-complexity"):
        models_table(runs, complexity[complexity["model"] != "b"])
    with pytest.raises(UsageError, match=r"no row of b in form train at 160 x 160"):
        models_table(runs, complexity.assign(input_h=320))


def test_a_stopped_run_stays_in_the_tables_and_its_model_leaves_the_laws(study):
    paths = [study("a"), study("b", seed=1, status="stopped", stopped_because="chance 2 %")]
    runs, _ = tables(*paths, study("c", config_name="other"))
    assert sorted(runs["stopped"].fillna("")) == ["", "", "chance 2 %"]
    kept, (note,) = leave_out_stopped(runs)
    assert kept["model"].tolist() == ["other"]
    assert "seed 1 after epoch 2 (chance 2 %)" in note
    assert "of a better selection" in note
    assert leave_out_stopped(kept)[1] == ()
    with pytest.raises(UsageError, match="a run of every model was stopped early"):
        leave_out_stopped(runs[runs["stopped"].notna()])


def test_runs_and_models_tell_the_data_and_what_the_training_began_with(study):
    data = {"train_dataloader.dataset.type": "VOCDataset", "train_dataloader.dataset.splits": ["VOC2007/train"]}
    facts = {"classes": ["cat"], "train_objects": "a" * 64, "initial_weights": {"backbone": "ImageNet-1k"}}
    paths = [study("a", seed=1, protocol=data | facts, backbone_top1=0.71)]
    runs, complexity = tables(*paths)
    for row in (runs.loc[0], models_table(runs, complexity).loc[0]):
        assert row["dataset"].startswith("VOC VOC2007/train ")
        assert (row["pretrained"], row["backbone_top1"]) == ("backbone ImageNet-1k", 0.71)
    plain = collect([study("b", config_name="b")]).runs.loc[0]
    assert plain[["dataset", "backbone_top1"]].isna().all() and plain["pretrained"] == "none"


def test_records_of_before_the_accuracy_of_backbones_was_told_are_read(study):
    path = study("a")
    content = json.loads(path.read_text())
    del content["backbone_top1"]
    path.write_text(json.dumps(content))
    assert collect([path]).runs["backbone_top1"].isna().all()
