"""Rows that were not trained alike are not compared, and the first key that differs is named."""

import json
import re

import pandas as pd
import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.study.tables.protocols import protocol_of_hash, refuse_mixture, tell_mixture, tell_recipes

KEYS = {
    "a" * 64: {"epochs": 200, "optim_wrapper.optimizer.lr": 0.01, "initial_weights": "none"},
    "b" * 64: {"epochs": 200, "optim_wrapper.optimizer.lr": 0.1, "initial_weights": {"load_from": "1f"}},
    "c" * 64: {"epochs": 100, "optim_wrapper.optimizer.lr": 0.01, "initial_weights": "none"},
}
PROTOCOLS = pd.DataFrame(
    [
        {"protocol_sha256": sha256, "key": key, "value": json.dumps(value)}
        for sha256, protocol in KEYS.items()
        for key, value in protocol.items()
    ]
)


def rows(*letters, **columns):
    """A row for each letter, of the protocol of that letter; None for an unknown one."""
    hashes = [letter and letter * 64 for letter in letters]
    models = [f"model{index}" for index in range(len(letters))]
    return pd.DataFrame({"model": models, "protocol_sha256": pd.Series(hashes, dtype="str")} | columns)


@pytest.mark.parametrize(
    "table", [rows("a"), rows("a", "a"), rows(None, None), rows("a").drop(columns="protocol_sha256")]
)
def test_rows_of_one_protocol_or_of_none_are_alike(table):
    assert tell_mixture(table, PROTOCOLS) == ""
    assert refuse_mixture(table, None, allow_mixed=False) == ()


def test_the_first_key_that_differs_is_named_with_both_values_and_both_rows():
    told = tell_mixture(rows("a", "a", "b", seed=[0, 1, 0]), PROTOCOLS)
    assert told == (
        "model0 seed 0 and model2 seed 0 were not trained alike (optim_wrapper.optimizer.lr: 0.01 -> 0.1 and 1 more)"
    )
    assert tell_mixture(rows("a", "c", "b"), PROTOCOLS) == (
        "model0 and model1 were not trained alike (epochs: 200 -> 100; 3 protocols in all)"
    )


@pytest.mark.parametrize("letters", [("a", None), (None, "a")])
def test_an_unknown_protocol_beside_a_known_one_is_a_mixture(letters):
    name = f"model{letters.index(None)}"
    assert f"(the protocol of {name} is not recorded)" in tell_mixture(rows(*letters), PROTOCOLS)


@pytest.mark.parametrize("table", [None, PROTOCOLS[:3]])
def test_without_the_table_of_keys_the_hashes_are_told(table):
    assert "(protocol_sha256: aaaaaaaaaaaa -> bbbbbbbbbbbb; protocols.csv" in tell_mixture(rows("a", "b"), table)


def test_a_mixture_is_refused_or_noted():
    with pytest.raises(UsageError, match=r"not trained alike \(optim.*go on with --allow-mixed"):
        refuse_mixture(rows("a", "b"), PROTOCOLS, allow_mixed=False)
    (note,) = refuse_mixture(rows("a", "b"), PROTOCOLS, allow_mixed=True)
    assert note.startswith("Runs of different protocols are compared (--allow-mixed): model0 and model1 were not")


def test_a_value_that_is_no_json_stands_for_itself():
    table = pd.DataFrame({"protocol_sha256": ["x"], "key": ["epochs"], "value": ["many"]})
    assert protocol_of_hash("x", table) == {"epochs": "many"}
    assert protocol_of_hash("y", table) is None


def test_published_rows_of_several_recipes_are_compared_with_a_note():
    table = rows(None, None, None, protocol=["one", "one", "other"], dataset="COCO 2017")
    assert refuse_mixture(table, None, allow_mixed=False) == ()
    (note,) = tell_recipes(table)
    assert note.startswith("2 published recipes are compared")
    assert tell_recipes(table[:2]) == ()


@pytest.mark.parametrize(("other", "told"), [("VOC 2007", "VOC 2007"), (None, "(not recorded)")])
def test_published_rows_of_other_data_are_a_mixture(other, told):
    table = rows(None, None, dataset=["COCO 2017", other])
    with pytest.raises(UsageError, match=re.escape(f"not trained alike (dataset: COCO 2017 -> {told}): give runs")):
        refuse_mixture(table, None, allow_mixed=False)
    assert len(refuse_mixture(table, None, allow_mixed=True)) == 1


def test_a_hash_is_of_the_data_too():
    assert tell_mixture(rows("a", "a", dataset=["COCO 2017", None]), PROTOCOLS) == ""
