"""Early stopping replayed on curves that are known to their end."""

import math

from yolo_plugins.study.laws.stopping import judge, replay
from yolo_plugins.study.tables.curves import Curve
from yolo_plugins.study.tables.quantities import QUANTITIES

LOSS = QUANTITIES["train_loss"]


def make_curve(model: str, level: float, cost: float, jitter: float = 0.0, seed: int = 0) -> Curve:
    """Ten epochs, whose log falls by a tenth each and ends a little off."""
    losses = tuple(math.exp(level - epoch / 10 + jitter * (epoch == 9)) for epoch in range(10))
    return Curve(model, seed, cost, losses, losses, (cost,) * 10)


GOOD = [make_curve(f"good{i}", -0.2 * i, 1.0 + i, 0.01 * (-1) ** i) for i in range(6)]
BAD = make_curve("bad", 0.5, 10.0)


def test_a_run_that_will_be_beaten_is_stopped_and_the_front_stays():
    found = replay([*GOOD, BAD], LOSS, jobs=1, share=0.3)
    assert found.stopped == {6: 3}
    assert found.epochs_saved == 7 / 70
    assert found.seconds_saved == 70 / sum(10 * curve.cost for curve in [*GOOD, BAD])
    assert found.front == found.kept_front == {curve.model for curve in GOOD}


def test_the_first_runs_are_never_stopped_because_nothing_has_finished():
    assert replay([BAD, *GOOD], LOSS, jobs=1, share=0.3).stopped == {}
    assert replay([*GOOD, BAD], LOSS, jobs=7, share=0.3).stopped == {6: 4}  # when four have finished


def test_a_model_of_which_one_run_was_stopped_is_on_no_front():
    lucky = make_curve("bad", -3.0, 10.0, seed=1)
    found = replay([*GOOD, BAD, lucky], LOSS, jobs=1, share=0.3)
    assert found.stopped == {6: 3}
    assert "bad" not in found.kept_front  # where the run that was lucky would be the best of all


def test_a_run_is_judged_after_its_share_of_the_epochs_and_not_before_enough_have_finished():
    assert judge(BAD.until(2), 10, 0.3, GOOD, LOSS) is None
    assert judge(BAD.until(3), 10, 0.3, GOOD, LOSS) < 0.05
    assert judge(BAD.until(3), 10, 0.3, GOOD[:3], LOSS) is None
