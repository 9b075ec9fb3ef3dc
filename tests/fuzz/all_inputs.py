"""All inputs, by name."""

from fuzz import (
    inputs_checkpoints,
    inputs_configs,
    inputs_data,
    inputs_exported,
    inputs_options,
    inputs_pictures,
    inputs_recommend,
    inputs_records,
    inputs_resume,
    inputs_tables,
    inputs_tools,
)
from fuzz.cases import Input

_AREAS = (
    *(inputs_options, inputs_configs, inputs_data, inputs_pictures, inputs_checkpoints, inputs_resume, inputs_records),
    *(inputs_tables, inputs_tools, inputs_recommend, inputs_exported),
)


def all_inputs() -> dict[str, Input]:
    """Name -> input; two of one name are a mistake here."""
    found: dict[str, Input] = {}
    for area in _AREAS:
        for case in area.inputs():
            assert str(case) not in found, f"two inputs are called {case}"
            found[str(case)] = case
    return found
