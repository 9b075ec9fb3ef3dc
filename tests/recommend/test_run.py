"""From a budget to what is said and written, on configs of a folder and times that are given."""

import pytest

from yolo_plugins.costs.meta import count_config
from yolo_plugins.errors import UsageError
from yolo_plugins.files import REPO
from yolo_plugins.recommend import counts
from yolo_plugins.recommend import run as run_module
from yolo_plugins.recommend.advice import Budget
from yolo_plugins.recommend.run import recommend
from yolo_plugins.recommend.text import TABLE
from yolo_plugins.study.tables.csv_table import read_table

CONFIGS = ("yolov5_n_voc", "yolov5_s_voc", "yolov5_mobilenetv4_voc")


@pytest.fixture(autouse=True)
def _few_configs(tmp_path, monkeypatch):
    """Three configs stand for those of the package."""
    folder = tmp_path / "configs"
    folder.mkdir()
    for name in CONFIGS:
        (folder / f"{name}.py").write_text(f"_base_ = {str(REPO / 'configs' / name) + '.py'!r}\n")
    configs = run_module.config_networks
    monkeypatch.setattr(run_module, "config_networks", lambda *arguments: configs(*arguments, folder))


def test_what_fits_is_listed_and_written_with_what_does_not(make_bench, models, tmp_path):
    seen = make_bench({"yolov5_n_voc": 4.0, "yolov5_mobilenetv4_voc": 6.0, "yolov5_s_voc": 12.0})
    said = recommend(seen.bench, Budget(10.0), models, out=tmp_path / "out")
    assert said.startswith("Budget: 10 ms; on 1 thread of ")
    assert (
        "1 that were measured do not fit (1 by latency); the fastest of them: yolov5_s_voc 12 (11.9 .. 12.1) ms" in said
    )
    assert said.endswith(f"Files in {tmp_path / 'out'}; open report.html")
    table = read_table(tmp_path / "out" / "recommend.csv", TABLE)
    assert list(table.columns) == TABLE.column_names
    rows = table.set_index("model")
    assert set(rows.index) == set(CONFIGS)
    assert rows["fits"].to_dict() == {"yolov5_n_voc": True, "yolov5_mobilenetv4_voc": True, "yolov5_s_voc": False}
    assert rows.loc["yolov5_s_voc", "exceeds"] == "latency" and rows.loc["yolov5_s_voc", "probability_best"] == 0
    assert rows.loc["yolov5_n_voc", ["latency_ms", "rounds", "seeds", "file_bytes"]].tolist() == [
        4.0,
        100,
        1,
        1_000_000,
    ]
    assert rows["score"].notna().to_dict() == {name: name == "yolov5_n_voc" for name in rows.index}
    assert rows.loc["yolov5_n_voc", "command"] == "yolo-plugins train yolov5_n_voc --seed 1"
    assert rows["probability_best"].sum() == pytest.approx(1.0)


def test_the_page_shows_the_table_the_plot_and_what_trains(make_bench, models, tmp_path):
    recommend(make_bench({}).bench, Budget(10.0), models, out=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "within 10 ms" in page and "Pareto front" in page and "milliseconds for a picture" in page
    assert all(name in page for name in CONFIGS)
    assert "yolo-plugins train yolov5_s_voc" in page


def test_nothing_is_written_without_a_folder(make_bench, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    said = recommend(make_bench({}).bench, Budget(10.0), models)
    assert "report.html" not in said
    assert {path.name for path in tmp_path.iterdir()} - before == {"figures"}


def test_where_nothing_is_measured_nothing_is_written(make_bench, models, tmp_path):
    said = recommend(make_bench({}).bench, Budget(10.0, max_params=1), models, out=tmp_path)
    assert "beyond the budget by their counts, and not measured: 3 (" in said
    assert "No config fits the budget." in said
    assert said.endswith(f"Nothing was measured: no files are written into {tmp_path}")
    assert not (tmp_path / "report.html").exists()


def test_where_nothing_fits_the_fastest_are_told_and_written(make_bench, models, tmp_path):
    said = recommend(make_bench({}).bench, Budget(0.5), models, out=tmp_path)
    assert "No config fits the budget." in said and "3 that were measured do not fit (3 by latency)" in said
    assert not read_table(tmp_path / "recommend.csv", TABLE)["fits"].any()
    assert "No network fits the budget." in (tmp_path / "report.html").read_text()


def test_what_was_not_reached_in_the_time_is_named_and_what_is_known_counts(make_bench, models):
    make_bench({}).bench.run(known := run_module.config_networks(models, (), count_config)[0][:1], 10.0, float("inf"))
    said = recommend(make_bench({}).bench, Budget(10.0), models, minutes=1e-9)
    missing = sorted(set(CONFIGS) - {known[0].name}, key=said.index)
    assert f"not reached in the time: {', '.join(missing)}; the same command goes on, or give more --minutes" in said
    assert f"{known[0].name} is the choice (the only one that fits)" in said


def test_a_busy_machine_and_a_damaged_figure_and_a_network_that_fails_are_told(make_bench, models, busy):
    recommend(make_bench({}).bench, Budget(10.0), models)
    seen = make_bench({}, busy)
    for path in seen.bench.cache.folder.iterdir():
        path.write_text("{")
    plain = seen.bench.try_network

    def try_network(network, setting, limit_ms):
        if network.name == "yolov5_s_voc":
            raise UsageError("yolov5_s_voc: out of memory")
        return plain(network, setting, limit_ms)

    seen.bench.try_network = try_network
    said = recommend(seen.bench, Budget(10.0), models)
    assert said.count("): passed over") == 6  # three counts, three times
    assert "note: the machine was busy (other processes used 50% of 2 cores" in said
    assert "note: not measured: yolov5_s_voc: out of memory" in said
    assert "not reached" not in said


def test_the_second_call_counts_and_measures_nothing(make_bench, models, monkeypatch):
    first = recommend(make_bench({}).bench, Budget(10.0), models)
    monkeypatch.setattr(counts, "count_config", lambda *_: pytest.fail("counted again"))
    seen = make_bench({})
    assert recommend(seen.bench, Budget(10.0), models) == first
    assert seen.built == []


def test_the_two_to_train_are_printed_with_their_commands(make_bench, models):
    said = recommend(make_bench({}).bench, Budget(10.0), models)
    assert "No network is the best with a probability of 0.95; the likeliest is yolov5_" in said
    assert said.count("\n  yolo-plugins train ") == 2
    assert "never trained" in said


def test_the_config_of_a_network_that_alone_fits_and_was_never_trained_is_to_be_trained(make_bench, models):
    seen = make_bench({"yolov5_n_voc": 20.0, "yolov5_s_voc": 20.0})
    said = recommend(seen.bench, Budget(10.0), models)
    assert "yolov5_mobilenetv4_voc is the choice (the only one that fits): nothing has to be trained to decide." in said
    assert said.endswith("It has no weights yet:\n  yolo-plugins train yolov5_mobilenetv4_voc")


def test_a_hopeless_network_is_told_about_and_left_out_of_the_plot(make_bench, models, tmp_path):
    said = recommend(make_bench({"yolov5_s_voc": 70.0}).bench, Budget(10.0), models, out=tmp_path)
    assert "yolov5_s_voc about 70 ms" in said
    assert "yolov5_s_voc: about 70" not in (tmp_path / "report.html").read_text()
