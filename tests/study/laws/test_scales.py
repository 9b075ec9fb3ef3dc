"""Scores stand on the logit, all else on the logarithm, and come back as they were."""

import numpy as np
import pytest

from yolo_plugins.study.laws.scales import from_line, to_line


@pytest.mark.parametrize(("bounded", "place"), [(True, np.log(0.2 / 0.8)), (False, np.log(0.2))])
def test_values_come_back_from_their_place_on_the_line(bounded, place):
    assert to_line(0.2, bounded) == pytest.approx(place)
    values = np.array([1e-6, 0.3, 0.999])
    np.testing.assert_allclose(from_line(to_line(values, bounded), bounded), values)


def test_no_place_on_the_line_of_scores_is_beyond_their_ends():
    assert from_line([-1e3, 1e3], True).tolist() == [pytest.approx(0.0, abs=1e-200), 1.0]
    assert np.isfinite(from_line([-1e9, 1e9], False)).all()
