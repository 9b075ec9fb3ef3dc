"""Files and JSON as every tool writes them."""

import json
import math

from yolo_plugins.files import json_text


def test_numbers_that_json_has_no_word_for_are_null_at_any_depth():
    value = {"a": math.nan, "b": [math.inf, (1.5, -math.inf)], "c": {"d": None, "e": "NaN"}}
    assert json.loads(json_text(value)) == {"a": None, "b": [None, [1.5, None]], "c": {"d": None, "e": "NaN"}}
    assert json_text({"a": 0.1}, indent=1) == json.dumps({"a": 0.1}, indent=1)
