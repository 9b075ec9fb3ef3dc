"""What a table accepts, what it refuses and how, and that the page and the shipped table say what the code says."""

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from yolo_plugins.config import load_config
from yolo_plugins.costs.complexity import count_macs
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS as MODEL_REGISTRY
from yolo_plugins.study.tables.families import group_title
from yolo_plugins.study.tables.quantities import performances
from yolo_plugins.study.tables.schema import (
    BACKBONES,
    COMPLEXITY,
    EPOCHS,
    FITS,
    MODELS,
    RUNS,
    TABLES,
    Column,
    Table,
    data_dictionary,
    identify,
    read_table,
    write_table,
)

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
TOYS = Table(
    "toys.csv",
    "A row is a toy.",
    ("name", "size"),
    (
        Column("name", "text", "", "Name."),
        Column("size", "int", "mm", "Size.", low=1),
        Column("share", "float", "fraction", "Share.", nullable=True, low=0, high=1),
        Column("new", "bool", "", "Whether new.", nullable=True),
        Column("pieces", "int", "", "Pieces.", nullable=True),
        Column("note", "text", "", "Note.", nullable=True),
    ),
)
HEADER = ",".join(TOYS.column_names)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "toys.csv"


def refusal(path, text, table=TOYS):
    """What a file of this text is refused with, after the file's name."""
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_table(path, table)
    sentence = str(error.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    return sentence.removeprefix(str(path))


def test_columns_are_read_in_their_types_with_nulls(path):
    path.write_text(f"{HEADER}\nball,3,0.5,True,4,red\nkite,7.2e6,,,,\n")
    frame = read_table(path, TOYS)
    assert list(frame) == TOYS.column_names
    assert [str(kind) for kind in frame.dtypes] == ["str", "int64", "float64", "boolean", "Int64", "str"]
    assert frame.loc[0].tolist() == ["ball", 3, 0.5, True, 4, "red"]
    assert frame.loc[1, "size"] == 7_200_000
    assert frame.loc[1, ["share", "new", "pieces", "note"]].isna().all()


def test_columns_may_be_in_any_order_and_those_that_may_be_null_left_out(path):
    path.write_text("size,name\n3,ball\n")
    assert read_table(path, TOYS).loc[0].tolist()[:2] == ["ball", 3]


def test_what_is_written_is_read_back_to_the_last_digit(path):
    shares = [0.1 + 0.2, 1 / 3, 5e-324, 1.0, float(np.nextafter(1, 0))]
    frame = pd.DataFrame(
        {
            "pieces": pd.array([None, 2**63 - 1, 2**53 + 1, 0, -5], dtype="Int64"),
            "share": shares,
            "name": ["a,b", 'say "no"', "two\nlines", "é", "01"],
            "note": [None, "", "NA", "nan", " x "],
            "new": [True, False, None, True, None],
            "size": [1, 2, 3, 4, 5],
        }
    )
    write_table(frame, path, TOYS)
    assert path.read_text().splitlines()[0] == HEADER
    read = read_table(path, TOYS)
    assert read["share"].tolist() == shares
    assert read["name"].tolist() == frame["name"].tolist()
    assert [None if pd.isna(value) else value for value in read["pieces"]] == [None, 2**63 - 1, 2**53 + 1, 0, -5]
    assert [None if pd.isna(value) else value for value in read["note"]] == [None, None, "NA", "nan", " x "]
    assert [None if pd.isna(value) else value for value in read["new"]] == [True, False, None, True, None]
    first = path.read_bytes()
    write_table(read, path, TOYS)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "text", ["=1+1", "+b", "-0.5", "@SUM(A1)", "\tx", "\rx", "'=1+1", "''@x", "'quoted'", "'", "a\rb", "a=b", "é"]
)
def test_a_text_is_no_formula_in_a_spreadsheet_and_comes_back_as_it_was(path, text):
    write_table(pd.DataFrame({"name": [text], "size": [3], "pieces": [-5], "note": [text]}), path, TOYS)
    with path.open(newline="") as file:
        name, *_, pieces, note = list(csv.reader(file))[1]
    assert name == note and name[0] not in "=+-@\t\r" and name in (text, f"'{text}")
    assert pieces == "-5"
    assert read_table(path, TOYS).loc[0, ["name", "note"]].tolist() == [text, text]


def test_what_is_no_csv_file_of_ours_is_read_as_it_stands(path):
    path.write_text("name,size\n=1+1,3\n")
    assert read_table(path, TOYS).loc[0, "name"] == "=1+1"


def test_a_mark_of_a_spreadsheet_and_capitals_and_empty_lines_are_read(path):
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\nball,3,,TRUE,,\r\n\r\n".encode())
    assert read_table(path, TOYS).loc[0, "new"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (",3,,,,", "'name': the cell is empty: give a text"),
        ("ball,,,,,", "'size': the cell is empty: give a whole number of 1 or more (mm)"),
        ("ball,0,,,,", "'size': '0' is not a whole number of 1 or more (mm)"),
        ("ball,2.5,,,,", "'size': '2.5' is not a whole number of 1 or more (mm)"),
        ("ball,big,,,,", "'size': 'big' is not a whole number of 1 or more (mm)"),
        ("ball,9223372036854775808,,,,", "'size': '9223372036854775808' is not a whole number of 1 or more (mm)"),
        ("ball,3,37.4,,,", "'share': '37.4' is not a finite number from 0 to 1 (fraction)"),
        ("ball,3,nan,,,", "'share': 'nan' is not a finite number from 0 to 1 (fraction)"),
        ("ball,3,inf,,,", "'share': 'inf' is not a finite number from 0 to 1 (fraction)"),
        ("ball,3,,yes,,", "'new': 'yes' is not True or False"),
    ],
)
def test_a_faulty_cell_is_named_by_line_and_column_with_what_is_wanted(path, row, sentence):
    assert refusal(path, f'{HEADER}\n"two\nlines",3,,,,\n{row}\n') == f", line 4, column {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ": the file is empty: give a CSV file with a header and a row"),
        (f"{HEADER}\n", ": no row below the header: give at least one"),
        ("name,sise\nball,3\n", ", line 1: column 'sise' is none of toys.csv; did you mean 'size'?"),
        ("name,size,x\n", f", line 1: column 'x' is none of toys.csv; its columns are {HEADER.replace(',', ', ')}"),
        ("name,share\nball,0\n", ", line 1: no column 'size', which toys.csv needs: add it"),
        ("share\n0\n", ", line 1: no column 'name', 'size', which toys.csv needs: add it"),
        ("name,size,size\nball,3,3\n", ", line 1: column 'size' stands there twice: remove one"),
        ("name;size\nball;3\n", ", line 1: the cells are separated by semicolons: save it with commas"),
        ("name,size\nball\n", ", line 2: 1 cells under 2 columns: fix that line"),
        ("name,size\nball,3\nkite,3\nball,3.0\n", "s 2 and 4: both have name=ball, size=3: remove one"),
        ('name,size\n"ball,3\n', ", line 2: unexpected end of data: fix that line"),
    ],
)
def test_a_faulty_file_is_refused_in_one_sentence(path, text, sentence):
    assert refusal(path, text).replace(", lines", "s") == sentence


def test_files_that_are_no_text_or_not_there_are_refused(path, tmp_path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(UsageError, match=r"not text in UTF-8\): give a CSV file"):
        read_table(path, TOYS)
    with pytest.raises(UsageError, match=r"none.csv: cannot be read as a table \(No such file"):
        read_table(tmp_path / "none.csv", TOYS)
    with pytest.raises(UsageError, match="Is a directory"):
        read_table(tmp_path, TOYS)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        ({"name": ["ball"], "size": [0]}, "line 2, column 'size': '0' is not"),
        ({"name": ["ball"], "size": [math.nan]}, "line 2, column 'size': the cell is empty"),
        ({"name": ["ball"], "size": [3], "share": [math.inf]}, "line 2, column 'share': 'inf' is not"),
        ({"name": ["ball", "ball"], "size": [3, 3]}, "lines 2 and 3: both have"),
        ({"name": ["ball"]}, "no column 'size'"),
        ({"name": [], "size": []}, "no row below the header"),
        ({}, "no column 'name', 'size'"),
    ],
)
def test_what_could_not_be_read_is_not_written_and_the_old_file_stays(path, frame, sentence):
    path.write_text("old")
    with pytest.raises(UsageError, match=sentence):
        write_table(pd.DataFrame(frame), path, TOYS)
    assert path.read_text() == "old"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_told_by_its_columns_and_by_those_alone_that_it_needs(table, path):
    for names in (table.column_names, [column.name for column in table.columns if not column.nullable]):
        path.write_text(",".join(names) + "\n")
        assert identify(path) is table


def test_a_file_of_no_table_is_refused_by_the_nearest(path):
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(UsageError, match=r"no column of any table of the study \(runs.csv, protocols.csv, "):
        identify(path)
    path.write_text("model,family,input_h,input_w,params,mac,ap50\n")
    with pytest.raises(UsageError, match=r"column 'mac' is none of models.csv; did you mean 'macs'\?"):
        identify(path)
    path.write_text("")
    with pytest.raises(UsageError, match="the file is empty"):
        identify(path)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_well_formed(table):
    names = table.column_names
    assert len(set(names)) == len(names)
    columns = {column.name: column for column in table.columns}
    assert not any(columns[name].nullable for name in table.key)
    assert all(column.meaning.endswith(".") and "|" not in column.meaning for column in table.columns)
    assert table.empty().columns.tolist() == names


def test_scores_are_fractions_in_every_table():
    scores = {"ap50", "ap50_95", "precision", "recall", "recall_max", "best_ap50"}
    for table in (RUNS, EPOCHS, MODELS):
        for column in table.columns:
            if column.name in scores:
                assert (column.low, column.high, column.unit, column.nullable) == (0, 1, "fraction", True)


def test_models_have_a_mean_and_a_deviation_of_each_measure():
    assert list(performances()) == ["train_loss", "inverse_normalized_loss", "ap50", "ap50_95", "recall"]
    names = MODELS.column_names
    assert all(name in names and f"{name}_sd" in names for name in performances())


def test_a_law_is_rebuilt_from_columns_that_are_never_null():
    columns = {column.name: column for column in FITS.columns}
    needed = ("exponent", "coefficient", "n", "residual_sd", "residual_dof", "mean_log_x", "sum_squares_log_x")
    assert not any(columns[name].nullable for name in (*needed, "x_min", "x_max"))


def test_complexity_is_what_the_counting_tool_writes(path):
    parts = [f"{name}{part}" for part in ("", "_backbone", "_neck", "_head") for name in ("params", "macs", "flops")]
    expected = ["model", "form", "input_h", "input_w", *parts, "macs_thop", "uncounted_operators", "uncounted_by_thop"]
    assert COMPLEXITY.column_names == expected


def test_the_page_is_the_dictionary_of_the_code():
    page = (RESULTS / "README.md").read_text()
    assert data_dictionary() in page, "replace the part below `## Data dictionary` by what data_dictionary() returns"


def test_published_table_is_of_the_schema_with_the_source_of_every_row():
    published = read_table(RESULTS / "published.csv", MODELS).set_index("model")
    assert published["source"].str.contains("https://").all()
    assert not published["source"].str.contains("memory").any()
    assert set(published["dataset"]) == {"COCO 2017"}
    assert published[["protocol", "year", "ap50_95"]].notna().all(axis=None)
    sizes = published.groupby("family").size().to_dict()
    assert (len(published), len(sizes)) == (76, 16)
    first = ("yolov5", "yolov5_p6", "scaled_yolov4", "yolov5_flexible", "flexible_other")
    assert [sizes[family] for family in first] == [5, 5, 5, 5, 2]
    assert all(group_title(family) != family for family in sizes)
    assert published.loc["yolov5s", ["params", "macs", "ap50", "ap50_95"]].tolist() == [7.2e6, 8.25e9, 0.568, 0.374]
    # The same network at 640 pixels has 4.6 GFLOPs, a quarter.
    assert published.loc["yolov5n6", ["input_h", "macs"]].tolist() == [1280, 9.2e9]
    assert published.loc["yolov4_p7", ["input_w", "ap50"]].tolist() == [1536, 0.729]
    assert published.loc["efficientdet_d7", ["input_w", "macs", "year"]].tolist() == [1536, 325e9, 2020]


def test_published_backbones_are_of_the_schema_with_the_source_of_every_row():
    backbones = read_table(RESULTS / "published_backbones.csv", BACKBONES)
    assert backbones["source"].str.contains("https://").all()
    checked = backbones[~backbones["source"].str.contains("memory", regex=False)]
    assert checked.groupby("detector").size().to_dict() == {"RetinaNet": 17, "flexible-yolov5": 5}
    assert checked["backbone_top1"].between(0.5, 0.9).all()
    retinanet = checked[checked["detector"] == "RetinaNet"]
    assert retinanet[["backbone_top1", "ap50_95"]].corr().iloc[0, 1] > 0.8


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("yolov4_tiny", "yolov4_tiny_coco"),
        ("yolov4_csp", "yolov4_csp_coco"),
        ("yolov4_p6", "yolov4_p6_coco"),
        ("flexible_yolov5s", "yolov5_s_coco"),
    ],
)
def test_counted_costs_of_the_published_table_are_those_of_our_configs(model, config):
    row = read_table(RESULTS / "published.csv", MODELS).set_index("model").loc[model]
    built = MODEL_REGISTRY.build(load_config(config).model)
    assert row["params"] == sum(parameter.numel() for parameter in built.parameters())
    with torch.device("meta"):
        assert row["macs"] == count_macs(built.to("meta"), (row["input_h"], row["input_w"]))
