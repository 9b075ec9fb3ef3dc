"""Models are compared only where they were trained alike, and quantities of the loss only among models of one loss."""

import copy
import json
import shutil
from pathlib import Path

import pytest

from yolo_plugins.config import input_hw, load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import config_recipe, loss_name, protocol_of, sha256_of
from yolo_plugins.study import frontier, model_choice
from yolo_plugins.study.tables.schema import FITS, MODELS, PROTOCOLS, read_table, write_table

EXAMPLE = json.loads((Path(__file__).parent / "record.json").read_text())
SIZES = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0, "e": 16.0}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes the records of five models, those of some with changes; returns their folder."""
    monkeypatch.chdir(tmp_path)

    def write(common=None, **changes):
        for index, (name, size) in enumerate(SIZES.items()):
            record = copy.deepcopy(EXAMPLE) | {"config_name": name, "config_sha256": name}
            record = record | (common or {}) | changes.get(name, {})
            record["protocol_sha256"] = sha256_of(record["protocol"])
            for key in ("params", "macs", "flops"):
                record["complexity"][key] = int(record["complexity"][key] * size)
            for row in record["epochs"]:
                row["scores"]["ap50"] = 0.2 * size**0.2 + 0.01 * (index % 2)
                row["train_loss"] = row["train_loss"] / size**0.1 + 0.01 * (index % 2)
            path = tmp_path / "runs" / name / "record.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(record))
        return Path("runs")

    return write


def analyse(*sources, y="ap50", **options):
    return frontier.analyse(list(map(Path, sources)), Path("out"), "params", y, "family", **options)


LONGER = {"protocol": {**EXAMPLE["protocol"], "optim_wrapper.optimizer.lr": 0.1}}
MIXTURE = r"a seed 0 and c seed 0 were not trained alike \(optim_wrapper.optimizer.lr: 0.01 -> 0.1\)"


def test_runs_of_two_protocols_are_refused_and_leave_nothing(study):
    with pytest.raises(UsageError, match=f"^{MIXTURE}: .*--allow-mixed"):
        analyse(study(c=LONGER))
    assert not Path("out").exists()


def test_a_mixture_that_is_allowed_is_told_in_the_summary_and_on_the_page(study):
    printed = analyse(study(c=LONGER), allow_mixed=True)
    note = "Runs of different protocols are compared (--allow-mixed): a seed 0 and c seed 0 were not trained alike"
    assert f"note: {note}" in printed
    assert note in Path("out/report.html").read_text()
    assert read_table("out/models.csv", MODELS)["protocol_sha256"].nunique() == 2


def test_a_mixture_is_found_in_every_table_that_leads_to_laws(study):
    analyse(study(c=LONGER), allow_mixed=True)
    runs, models = (["out/runs.csv", "out/complexity.csv"], ["out/models.csv"])
    for tables in (runs, models):
        with pytest.raises(UsageError, match=r"protocol_sha256: \w{12} -> \w{12}; protocols.csv"):
            analyse(*tables)
        with pytest.raises(UsageError, match=r"\(optim_wrapper.optimizer.lr: 0.01 -> 0.1\)"):
            analyse(*tables, "out/protocols.csv")


def test_laws_of_a_mixture_neither_predict_nor_compare_without_saying_so(study):
    analyse(study(c=LONGER), allow_mixed=True)
    with pytest.raises(UsageError, match="a and c were not trained alike"):
        model_choice.compare("a", "b", Path("out"), None, None)
    with pytest.raises(UsageError, match="a and c were not trained alike"):
        model_choice.predict("yolov5_n_voc", Path("out"), None, None)
    note, *_ = model_choice.compare("a", "b", Path("out"), None, None, allow_mixed=True).splitlines()
    assert note.startswith("note: Runs of different protocols are compared (--allow-mixed)")


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_protocol_beside_known_ones_is_a_mixture(study, known):
    analyse(study())
    text = Path("out/models.csv").read_text()
    sha256 = sha256_of(EXAMPLE["protocol"])
    Path("models.csv").write_text(text.replace(sha256, "", 1 if known else -1))
    if known:
        with pytest.raises(UsageError, match="the protocol of a is not recorded"):
            analyse("models.csv")
    else:
        assert "not trained alike" not in analyse("models.csv")


def test_models_without_a_latency_are_told_with_what_measures_it(study):
    busy = {"latency_seconds": None, "images_per_second": None}
    without = {name: {"complexity": copy.deepcopy(EXAMPLE["complexity"]) | busy} for name in SIZES}
    folder = study(a=without["a"])
    told = "ran on unlike machines: yolo-plugins recommend --max-ms 10 --fits DIR, with the folder of this report"
    assert "note: No latency of 1 of 5 models (a), whose runs found the machine busy" in analyse(folder)
    page = Path("out/report.html").read_text()
    assert told in page and "Milliseconds are not among the costs" not in page and '"latency ap50": ' in page
    shutil.rmtree(folder)
    assert "note: No latency of 5 of 5 models (a, b, c, ...), " in analyse(study(**without))
    page = Path("out/report.html").read_text()
    assert told in page and "Milliseconds are not among the costs" in page and '"latency ap50": ' not in page


def test_latency_of_every_model_needs_no_word(study):
    assert "latency" not in analyse(study())


OTHER_LOSS = {"loss": "RetinaHead 0123abcd"}


def test_a_headline_of_the_loss_is_refused_where_losses_differ(study):
    folder = study(c=OTHER_LOSS)
    for y in ("train_loss", None):
        with pytest.raises(UsageError) as error:
            analyse(folder, y=y, allow_mixed=True)
        assert "does not compare between models of several losses (RetinaHead 0123abcd: 1, YOLOAnchorHead" in str(
            error.value
        )
        assert str(error.value).endswith("give --y ap50 or --y ap50_95 or --y recall")


def test_of_several_losses_only_the_commonest_has_laws_and_axes_of_its_values(study):
    printed = analyse(study(c=OTHER_LOSS))
    assert "trained on another loss than most, left out of laws and figures: c (" in printed
    sizes = read_table("out/fits.csv", FITS).query("group == 'all' and x == 'params'").set_index("y")["n"]
    assert sizes[["ap50", "train_loss"]].tolist() == [5, 4]
    page = Path("out/report.html").read_text()
    plots = json.loads(page.split('id="plots">')[1].split("</script>")[0])
    curves = {name: [trace["name"] for trace in plot["data"]] for name, plot in plots["curves"].items()}
    assert curves["ap50"] == curves["lr"] == list("abcde")
    assert curves["train_loss"] == curves["box"] == list("abde")
    points = [trace for trace in plots["scatter"]["params train_loss"]["data"] if trace["mode"] == "markers"]
    assert sum(len(trace["x"]) for trace in points) == 4
    assert ">c<" not in Path("out/figures/loss.svg").read_text()
    assert "RetinaHead 0123abcd</td>" in page
    with pytest.raises(
        UsageError, match=r"^c is of the loss RetinaHead 0123abcd, the law of YOLOAnchorHead \w+: .*--y ap50"
    ):
        model_choice.compare("a", "c", Path("out"), None, "train_loss")
    assert "better than" in model_choice.compare("a", "b", Path("out"), None, "train_loss")


@pytest.fixture
def like_voc(study):
    """The study of models that were trained as yolov5_n_voc is, for its 200 epochs."""
    config = load_config("yolov5_n_voc")
    facts = {"epochs": config.train_cfg.max_epochs, "total_batch": 16, "train_images": 9, "initial_weights": "none"}
    common = {"protocol": facts | protocol_of(config_recipe(config)), "loss": loss_name(config.to_dict())}
    analyse(study(common | {"input_hw": list(input_hw(config))}))
    assert len(read_table("out/protocols.csv", PROTOCOLS)) > 40


def test_a_config_of_the_protocol_is_predicted_without_a_note(like_voc):
    assert "note:" not in model_choice.predict("yolov5_s_voc", Path("out"), None, None)


def write_config(text):
    base = Path(load_config("yolov5_s_voc").filename).resolve()
    Path("mine.py").write_text(f"_base_ = {str(base)!r}\n{text}\n")


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ("train_cfg = dict(max_epochs=3)", "trained otherwise than the models of the study (epochs: 200 -> 3"),
        ("optim_wrapper = dict(optimizer=dict(lr=0.5))", "(optim_wrapper.optimizer.lr: 0.01 -> 0.5"),
        ("img_size = 640", "it is for 640 x 640 pixels, the models were measured at 320 x 320 pixels"),
        ("default_hooks = dict(ema=None)", '(default_hooks.ema.type: "StepEMAHook" -> (missing)'),
    ],
)
def test_a_config_of_another_protocol_is_refused_by_its_first_key(like_voc, text, difference):
    write_config(text)
    with pytest.raises(UsageError) as error:
        model_choice.predict("mine.py", Path("out"), None, None)
    assert "mine.py: " in str(error.value) and difference in str(error.value)
    assert "change it by --study or --cfg-options, or give --allow-mixed" in str(error.value)
    told = model_choice.predict("mine.py", Path("out"), None, None, allow_mixed=True)
    assert difference in told and "taken as if it were like them (--allow-mixed)" in told


def test_a_config_of_another_loss_has_no_prediction_of_it(like_voc):
    write_config("model = dict(bbox_head=dict(loss=dict(type='YOLOLoss', loss_obj=dict(weight=2.0))))")
    with pytest.raises(UsageError, match=r"mine.py is of the loss YOLOAnchorHead \w+, the law of YOLOAnchorHead"):
        model_choice.predict("mine.py", Path("out"), None, "train_loss")
    assert "expected" in model_choice.predict("mine.py", Path("out"), None, "ap50")


def test_a_model_without_what_the_law_goes_by_is_refused(study):
    analyse(study())
    models = read_table("out/models.csv", MODELS)
    models["backbone_top1"] = [0.6, 0.65, 0.7, 0.75, None]
    models.loc[4, "ap50"] = None
    write_table(models, "out/models.csv", MODELS)
    assert "ImageNet top-1" in model_choice.compare("a", "b", Path("out"), None, "ap50")
    with pytest.raises(UsageError, match=r"models.csv, e: the law goes by ImageNet top-1, which is not known of it"):
        model_choice.compare("a", "e", Path("out"), None, "ap50")
    with pytest.raises(UsageError, match=r"yolov5_n_voc.py: the law goes by ImageNet top-1"):
        model_choice.predict("yolov5_n_voc", Path("out"), None, "ap50", allow_mixed=True)
