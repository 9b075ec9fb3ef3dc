"""Whether the rows of a table were trained alike, and what tells them apart where they were not.

A row without a protocol, as in tables from elsewhere, is of an unknown one: alike only to others without.
"""

import json
from typing import Any

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import Recipe, first_of, recipe_differences


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
    hashes = rows.reindex(columns=["protocol_sha256"])["protocol_sha256"].astype("str").fillna("")
    first, *others = (rows[hashes == sha256].iloc[0] for sha256 in hashes.drop_duplicates())
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


def _difference(first: pd.Series, second: pd.Series, protocols: pd.DataFrame | None) -> str:
    for row in (first, second):
        if pd.isna(row["protocol_sha256"]):
            return f"the protocol of {_name(row)} is not recorded"
    one, other = (protocol_of_hash(row["protocol_sha256"], protocols) for row in (first, second))
    if one is None or other is None:
        hashes = " -> ".join(row["protocol_sha256"][:12] for row in (first, second))
        return f"protocol_sha256: {hashes}; protocols.csv beside the table tells the keys"
    return first_of(recipe_differences(one, other))


def _name(row: pd.Series) -> str:
    return f"{row['model']} seed {row['seed']}" if "seed" in row else str(row["model"])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # not written by us
        return text
