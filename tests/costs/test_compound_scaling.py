"""Compound scaling: the rule against a search over everything, the released models, and the config it writes."""

import ast
import re
from itertools import product, starmap
from pathlib import Path

import pytest
import torch

from yolo_plugins.config import input_hw, load_config
from yolo_plugins.costs.complexity import count_parts
from yolo_plugins.costs.compound_scaling import Base, choose, config_text, format_choice
from yolo_plugins.errors import UsageError
from yolo_plugins.files import REPO
from yolo_plugins.registry import MODELS

WIDTHS = (1.0, 1.25, 1.5, 1.75, 2.0)
BASES = ("yolov4_csp", "yolov4_p5", "yolov4_p6", "yolov4_p7")


def released_macs(name: str) -> int:
    return Base.read(name).as_released().macs


@pytest.fixture
def simple_costs(monkeypatch):
    """Costs of a formula, so that a test of the rule may ask for thousands of variants."""

    def count(base: Base, stages: int, depth: float, width: float) -> tuple[int, int]:
        return 1, int(4**stages * width**2 * (1 + depth) * (1 + 0.03 * stages))  # of one cell at stride 2^stages

    monkeypatch.setattr("yolo_plugins.costs.compound_scaling._count", count)


# Released models


@pytest.mark.parametrize("name", BASES)
def test_every_released_model_is_counted_at_its_size(name):
    model = load_config(f"{name}_voc").model
    with torch.device("meta"):
        detector = MODELS.build(model)
    released, (side, _) = Base.read(name).as_released(), input_hw(load_config(f"{name}_coco"))
    counts = count_parts(detector, (side, side))
    assert (released.size, released.params, released.macs) == (side, counts["params"], counts["macs"])
    assert 2**released.stages == detector.strides[-1]


@pytest.mark.usefixtures("simple_costs")
@pytest.mark.parametrize("name", BASES)
def test_a_base_with_its_own_budget_stays_as_released(name):
    choice = choose(name, released_macs(name))
    assert choice.chosen == Base.read(name).as_released()
    assert format_choice(choice).endswith(f"It is {name} as released")


@pytest.mark.parametrize("slack", [1, 1.05, 1.2])
@pytest.mark.parametrize("name", ["yolov4_p5", "yolov4_p6"])
def test_p5_grows_to_p6_by_its_budget_and_up_to_a_fifth_more(name, slack):
    choice = choose("yolov4_p5", slack * released_macs(name))
    assert choice.chosen == Base.read(name).as_released()


def test_p5_grows_to_seven_stages_by_the_budget_of_p7_but_to_a_larger_size_and_says_why():
    budget = released_macs("yolov4_p7")
    choice = choose("yolov4_p5", budget)
    chosen = choice.chosen
    assert (chosen.size, chosen.stages, chosen.depth, chosen.width) == (1792, 7, 1.0, 1.0)
    assert [variant.size for variant in choice.shapes if variant.stages == 7][:3] == [1792, 1664, 1536]
    line = format_choice(choice).splitlines()[-1]
    assert line.startswith(f"yolov4_p7 as released (1536 px, 7 stages, depth 1, width 1.25; {budget:,} MACs)")
    assert line.endswith("not chosen: size comes first, and 1792 px are within the budget")


@pytest.mark.parametrize("name", ["yolov4_p5", "yolov4_p6", "yolov4_p7"])
def test_the_page_states_what_is_chosen_by_each_budget(name):
    chosen, released = choose("yolov4_p5", released_macs(name)).chosen, Base.read(name).as_released()
    points = [f"{v.size}, {v.stages}, {v.depth:g}, {v.width:g}" for v in (released, chosen)]
    numbers = [f"{chosen.params:,}", f"{chosen.macs:,}", f"{chosen.coverage:.2f} times"]
    row = " | ".join([f"| {name[-2:].upper()}'s, {released.macs / 1e9:.1f}e9", *points, *numbers])
    assert f"{row} |\n" in (REPO / "docs" / "scaling.md").read_text().replace("**", "")


@pytest.mark.usefixtures("simple_costs")
@pytest.mark.parametrize(
    ("base", "sizes", "reason"),
    [
        ("yolov4_p5", [896, 1280, 1536], "the field of 6 stages is wide enough for 1536 px"),
        ("yolov4_p5", [1280], "its size is not among --sizes"),
        ("yolov4_csp", [640], "it is not as deep and wide as the budget allows, depth first"),
    ],
)
def test_why_the_largest_released_model_was_not_chosen_is_said(base, sizes, reason):
    text = format_choice(choose(base, released_macs("yolov4_p7"), sizes))
    assert text.endswith(f"is within the budget too; not chosen: {reason}")


@pytest.mark.usefixtures("simple_costs")
def test_a_released_model_that_sees_less_than_the_base_is_not_chosen():
    text = format_choice(choose("yolov4_p7", released_macs("yolov4_p6")))
    assert text.endswith("not chosen: its receptive field is 1.74 times its size, less than that of yolov4_p7")


# The rule


@pytest.mark.usefixtures("simple_costs")
@pytest.mark.parametrize("sizes", [None, [384, 640, 896], [64, 448, 1024]])
@pytest.mark.parametrize("name", BASES)
def test_choice_is_the_best_of_all_combinations_and_the_steps_list_all_within_the_budget(name, sizes):
    base = Base.read(name)
    demanded = base.as_released().coverage
    covered = [
        variant
        for variant in starmap(
            base.variant, product(sizes or range(384, 4096, 128), (5, 6, 7), (1.0, 1.33, 1.67, 2.0), WIDTHS)
        )
        if variant.size % 2**variant.stages == 0
        and base.receptive_field(variant.stages) / variant.size >= demanded
        and variant.width >= base.width
    ]
    covered.sort(key=lambda variant: (-variant.size, variant.stages, -variant.depth, -variant.width))
    for budget in (1e6, 2e6, 4e6, 7e6, 1e7):
        within = [variant for variant in covered if variant.macs <= budget]
        choice = choose(name, budget, sizes)
        assert choice.chosen == within[0]
        assert choice.shapes == [v for v in within if (v.depth, v.width) == (1, base.width)]
        best = choice.shapes[0]
        assert choice.scaled == [v for v in within if (v.size, v.stages) == (best.size, best.stages)]
        assert all(variant.macs > budget for variant in choice.refused)


@pytest.mark.usefixtures("simple_costs")
def test_what_comes_next_and_is_over_the_budget_is_a_larger_a_deeper_and_a_wider_variant():
    choice = choose("yolov4_p5", 2.4e6, [896, 1024])
    chosen = choice.chosen
    larger, deeper, wider = choice.refused
    assert (larger.size, larger.stages, larger.depth, larger.width) == (1024, 6, 1, 1)
    assert (deeper.size, deeper.width) == (wider.size, 1) == (chosen.size, chosen.width)
    assert deeper.depth > chosen.depth == wider.depth
    assert wider.width == 1.25


@pytest.mark.usefixtures("simple_costs")
def test_more_stages_are_taken_only_where_fewer_see_too_little():
    base = Base.read("yolov4_p5")
    stages = {size: choose("yolov4_p5", 1e15, [size]).chosen.stages for size in (896, 1024, 1536, 1664, 2816)}
    assert stages == {896: 5, 1024: 6, 1536: 6, 1664: 7, 2816: 7}
    for size, count in stages.items():
        assert base.receptive_field(count) / size >= 1261 / 896
        assert count == 5 or base.receptive_field(count - 1) / size < 1261 / 896


@pytest.mark.usefixtures("simple_costs")
def test_the_default_sizes_are_all_multiples_of_128_that_seven_stages_see():
    sizes = {variant.size for variant in choose("yolov4_p5", 1e15).shapes}
    assert sorted(sizes) == list(range(384, 2817, 128))


def test_receptive_field_is_that_of_the_repeats_as_built():
    base = Base.read("yolov4_p5")
    variant = base.variant(896, 6, 1.33, 1.0)
    with torch.device("meta"):
        backbone = MODELS.build(dict(base.changes(6, 1.33, 1.0)["backbone"], type="YOLOv4CSP"))
    repeats = [len(stage[1].blocks) for stage in backbone.stages]
    assert repeats == [1, 4, 20, 20, 9, 9]
    assert variant.receptive_field == 3 + sum(2**i * (2 * count + 1) for i, count in enumerate(repeats, 1))


@pytest.mark.usefixtures("simple_costs")
def test_width_is_cut_only_where_no_size_fits_otherwise():
    smallest = Base.read("yolov4_p5").variant(384, 5, 1.0, 1.0).macs
    assert choose("yolov4_p5", smallest).chosen.width == 1
    cut = choose("yolov4_p5", smallest - 1)
    assert {variant.width for variant in cut.shapes} == {cut.chosen.width} == {0.75}


# Faults


@pytest.mark.usefixtures("simple_costs")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("yolov5_s", 5e10), "--base 'yolov5_s': the rule is Scaled-YOLOv4's; give yolov4_csp, yolov4_p5"),
        (("yolov4_tiny", 5e10), "--base 'yolov4_tiny'"),
        (("yolov4_p5", float("nan")), "--budget-macs nan: give the multiply-accumulates of one image"),
        (("yolov4_p5", float("inf")), "--budget-macs inf"),
        (("yolov4_p5", -1.0), "--budget-macs -1"),
        (
            ("yolov4_p5", 1e4),
            r"--budget-macs 10000 is below the smallest variant of yolov4_p5, 384 px, 5 stages, depth 1, width 0.25: "
            r"[\d,]+; give that many or smaller --sizes",
        ),
        (("yolov4_p5", 5e10, [500]), r"--sizes 500: .* receptive field of 1.41 times .* multiples of 128 up to 2816"),
        (("yolov4_p5", 5e10, [384, 4096]), "--sizes 4096"),
        (("yolov4_p5", 5e10, [1312]), "--sizes 1312"),  # 32 x 41: five stages alone, which see too little
        (("yolov4_p5", 5e10, [0]), "--sizes 0"),
        (("yolov4_p5", 5e10, [-384]), "--sizes -384"),
    ],
)
def test_what_cannot_be_scaled_is_refused_with_the_remedy(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        choose(*arguments)


# The config


@pytest.mark.parametrize(
    ("base", "budget", "sizes", "levels"),
    [
        ("yolov4_csp", 9.5e10, [768], 4),
        ("yolov4_p5", 5e8, [160], 3),
        ("yolov4_p6", 4e11, [1280], 4),
        ("yolov4_p5", 7.2e11, None, 5),
    ],
)
def test_written_config_is_the_chosen_variant(base, budget, sizes, levels, tmp_path):
    choice = choose(base, budget, sizes)
    path = tmp_path / "scaled.py"
    path.write_text(config_text(choice, path))
    config, chosen = load_config(str(path)), choice.chosen
    assert input_hw(config) == (config.img_size, config.img_size)
    assert config.train_dataloader.dataset.img_size == config.img_size
    assert config.img_size == chosen.size
    with torch.device("meta"):
        detector = MODELS.build(config.model)
    counts = count_parts(detector, (chosen.size, chosen.size))
    assert (counts["params"], counts["macs"]) == (chosen.params, chosen.macs)
    assert len(config.model.bbox_head.anchors) == levels == chosen.stages - 2
    assert len(config.model.bbox_head.loss.balance) == levels
    assert config.model.bbox_head.loss.get("loss_obj", dict(weight=1.0))["weight"] == (1.4 if levels > 3 else 1.0)


@pytest.mark.usefixtures("simple_costs")
@pytest.mark.parametrize(
    ("base", "size", "head", "factor"),
    [
        ("yolov4_p5", 896, "yolov4_p5", 1),
        ("yolov4_p5", 448, "yolov4_p5", 0.5),
        ("yolov4_csp", 320, "yolov4_csp", 0.5),
        ("yolov4_p5", 1280, "yolov4_p6", 1),
        ("yolov4_csp", 1536, "yolov4_p7", 1),
        ("yolov4_p7", 384, "yolov4_p5", 384 / 896),
    ],
)
def test_anchors_are_those_of_as_many_stages_scaled_with_the_size(base, size, head, factor, tmp_path):
    path = tmp_path / "scaled.py"
    path.write_text(config_text(choose(base, 1e15, [size]), path))
    ours, theirs = (
        torch.tensor(load_config(str(name)).model.bbox_head.anchors, dtype=torch.float64)
        for name in (path, f"{head}_voc")
    )
    assert (ours - factor * theirs).abs().max() <= 0.05 + 1e-9


@pytest.mark.parametrize("place", [REPO / "configs", REPO / "configs" / "mine", Path("/elsewhere/a folder")])
def test_config_is_a_short_leaf_that_opens_with_its_command(place):
    path = place / "p7_like_voc.py"
    text = config_text(choose("yolov4_p5", 7.2e11), path)
    lines = text.splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 120
    title, _, command = ast.get_docstring(ast.parse(text)).splitlines()
    assert title.startswith("yolov4_p5 scaled to 1792 px, 7 stages, depth 1, width 1: 183.4 M parameters, 709.4 G MACs")
    expected = path.relative_to(REPO) if path.is_relative_to(REPO) else f"'{path}'"
    assert command == f"yolo-plugins train {expected}"
    base = Path(re.search(r'_base_ = "(.+)"', text)[1])
    assert base.is_absolute() == (place.parts[1] == "elsewhere")
    assert (place / base).resolve() == REPO / "configs" / "yolov4_p7_voc.py"


@pytest.mark.usefixtures("simple_costs")
def test_a_file_that_exists_or_is_no_config_is_refused(tmp_path):
    choice = choose("yolov4_csp", 60e9)
    for path in (REPO / "configs" / "yolov4_p5_voc.py", tmp_path / "scaled.yaml"):
        with pytest.raises(UsageError, match=f"--out {re.escape(str(path))}: give the name of a new file"):
            config_text(choice, path)
