"""How long a network takes that was not measured yet: a sum of what it computes, what it writes and what it calls.

milliseconds = a * multiply-accumulates + b * numbers written + c * operators, no term below 0, fitted to the relative
errors of the networks that were measured on the same machine in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
TERMS = {"macs": "GMACs", "elements": "numbers written", "operators": "operators"}  # columns of a row
FEWEST = 8  # networks


@dataclass(frozen=True)
class TimeLaw:
    """The fitted law.

    Attributes:
        coefficients: (3,) milliseconds for one of each of `TERMS`.
        errors: (n,) ln(predicted / measured) of each network by the law of the others.
    """

    coefficients: Array
    errors: Array

    def predict(self, row: Mapping[str, Any]) -> float:
        """Milliseconds of a network, by its counts."""
        return float(_features([row])[0] @ self.coefficients)

    @property
    def typical_error(self) -> float:
        """By what share half of the networks are missed, at most."""
        return float(np.expm1(np.median(np.abs(self.errors))))

    @property
    def worst_factor(self) -> float:
        """By what factor the worst was missed."""
        return float(np.exp(np.abs(self.errors).max()))

    def __str__(self) -> str:
        macs, elements, operators = self.coefficients
        return (
            f"milliseconds = {1e9 * macs:.3g} x GMACs + {1e6 * elements:.3g} x millions of numbers written + "
            f"{operators:.3g} x operators, of {len(self.errors)} networks; each by the law of the others: missed by "
            f"{self.typical_error:.0%} in the median, the worst by a factor of {self.worst_factor:.1f}"
        )


def fit_time_law(rows: Sequence[Mapping[str, Any]], milliseconds: Sequence[float]) -> TimeLaw | None:
    """Fits the law; None to fewer than 8 networks.

    Args:
        rows: With `TERMS`.
        milliseconds: Of each.
    """
    if len(rows) < FEWEST:
        return None
    features, measured = _features(rows), np.asarray(milliseconds, float)
    errors = [
        np.log(features[place] @ _fit(np.delete(features, place, 0), np.delete(measured, place)) / measured[place])
        for place in range(len(rows))
    ]
    return TimeLaw(_fit(features, measured), np.array(errors))


def _fit(features: Array, measured: Array) -> Array:
    scale = features.mean(0)
    shares, _ = nnls(features / scale / measured[:, None], np.ones(len(measured)))
    return shares / scale


def _features(rows: Sequence[Mapping[str, Any]]) -> Array:
    return np.array([[float(row[name]) for name in TERMS] for row in rows])
