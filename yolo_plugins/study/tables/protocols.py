"""Whether the rows of a table were trained alike, and what tells them apart where they were not.

`protocol_sha256` decides. A row without one, as in tables from elsewhere, is of an unknown protocol: alike only to
others without, of the same `dataset`. What it says of its recipe in words, in `protocol`, is told and never refused:
published models each have the recipe of their authors.
"""

import json
from typing import Any

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import Recipe, first_of, recipe_differences

_DECIDING = ["protocol_sha256", "dataset"]


def protocol_of_hash(sha256: Any, protocols: pd.DataFrame | None) -> Recipe | None:
    """The keys and values behind a hash; None where the hash or the table is missing, or the table lacks the hash.

    Args:
        sha256: Of a protocol, or null.
        protocols: Of the schema PROTOCOLS.
    """
    if protocols is None or pd.isna(sha256):
        return None
    rows = protocols[protocols["protocol_sha256"] == sha256]
    return {key: _value(text) for key, text in zip(rows["key"], rows["value"], strict=True)} or None


def tell_mixture(rows: pd.DataFrame, protocols: pd.DataFrame | None) -> str:
    """Which two rows were not trained alike: the first key that differs, with both values; empty where all were.

    Args:
        rows: Of the schema RUNS or MODELS.
        protocols: Of the schema PROTOCOLS; without, only hashes can be told.
    """
    rows = rows.assign(**{name: rows.reindex(columns=[name])[name].astype("str") for name in _DECIDING})
    rows["dataset"] = rows["dataset"].where(rows["protocol_sha256"].isna())  # a hash is of the data, too
    first, *others = (row for _, row in rows.drop_duplicates(_DECIDING).iterrows())
    if not others:
        return ""
    pair = first, others[0]
    more = f"; {len(others) + 1} protocols in all" if len(others) > 1 else ""
    return f"{' and '.join(map(_name, pair))} were not trained alike ({_difference(*pair, protocols)}{more})"


def refuse_mixture(rows: pd.DataFrame, protocols: pd.DataFrame | None, allow_mixed: bool) -> tuple[str, ...]:
    """A note on rows of several protocols where they are allowed; arguments otherwise as for `tell_mixture`.

    Raises:
        UsageError: There are several, and they are not allowed.
    """
    mixture = tell_mixture(rows, protocols)
    if mixture and not allow_mixed:
        raise UsageError(f"{mixture}: give runs of one protocol, or go on with --allow-mixed, which the notes tell")
    return (f"Runs of different protocols are compared (--allow-mixed): {mixture}.",) if mixture else ()


def tell_recipes(rows: pd.DataFrame) -> tuple[str, ...]:
    """A note where published rows are of several recipes; the rows are of the schema MODELS."""
    count = rows["protocol"].nunique()
    if count < 2:
        return ()
    return (f"{count} published recipes are compared: models may differ by their recipe as well as by their network.",)


def _difference(first: pd.Series, second: pd.Series, protocols: pd.DataFrame | None) -> str:
    hashes = [row["protocol_sha256"] for row in (first, second)]
    if all(map(pd.isna, hashes)):
        names = ["(not recorded)" if pd.isna(row["dataset"]) else row["dataset"] for row in (first, second)]
        return f"dataset: {' -> '.join(names)}"
    for row in (first, second):
        if pd.isna(row["protocol_sha256"]):
            return f"the protocol of {_name(row)} is not recorded"
    one, other = (protocol_of_hash(sha256, protocols) for sha256 in hashes)
    if one is None or other is None:
        told = " -> ".join(sha256[:12] for sha256 in hashes)
        return f"protocol_sha256: {told}; protocols.csv beside the table tells the keys"
    return first_of(recipe_differences(one, other))


def _name(row: pd.Series) -> str:
    return f"{row['model']} seed {row['seed']}" if "seed" in row else str(row["model"])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # not written by us
        return text
