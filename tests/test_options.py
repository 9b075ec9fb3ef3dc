"""What `--cfg-options` make of a config."""

import pytest
from mmengine.config import Config

from yolo_plugins.errors import UsageError
from yolo_plugins.options import apply_options, parse_value


def config() -> Config:
    return Config(
        dict(
            root="VOCdevkit",
            epochs=24,
            clip=None,
            amp=False,
            splits=["VOC2007/train"],
            hw=(320, 416),
            model=dict(type="A", neck=dict(type="N", width=0.5)),
            pipeline=[dict(type="Load"), dict(type="Flip", prob=0.5)],
            nested=[[dict(a=1)], [dict(a=2)]],
        )
    )


def changed(*options: str) -> Config:
    result = config()
    apply_options(result, options, known=["img_size"])
    return result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            (text, text)
            for text in ("my data/VOC", "a, b", "a=b", "(x", "[x]", "it's", "ä/ü", " x ", "", "..", "C:\\new")
        ),
        *((text, text) for text in ("{1, 2}", "1j", "b'x'", "nan", "f(1)", "dict(a)", "x if 1 else 2", "[" * 999)),
        ("'my data'", "my data"),
        ("1e3", 1000.0),
        ("-3", -3),
        ("1,2", (1, 2)),
        ("['a b', 'c']", ["a b", "c"]),
        ("[(1, 2), [3]]", [(1, 2), [3]]),
        ("dict(type='A', x=[dict(y=1)])", dict(type="A", x=[dict(y=1)])),
        ("{'a': {'b': None}}", {"a": {"b": None}}),
        *((text, True) for text in ("True", "true", "TRUE")),
        ("false", False),
        ("none", None),
    ],
)
def test_a_literal_is_its_value_and_any_other_text_stays_as_it_is(text, value):
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        (["root=my data, new/[1] = x"], "root", "my data, new/[1] = x"),
        (["root=2007"], "root", "2007"),
        (["root=none"], "root", None),
        (["epochs=1", "epochs=2"], "epochs", 2),
        (["img_size=(3, 4)"], "img_size", (3, 4)),
        (["splits='a','b'"], "splits", ["a", "b"]),
        (["hw=[1, 2]"], "hw", (1, 2)),
        (["hw.1=7"], "hw", (320, 7)),
        (["pipeline.1.prob=1"], "pipeline", [dict(type="Load"), dict(type="Flip", prob=1)]),
        (["nested.1.0.a=5"], "nested", [[dict(a=1)], [dict(a=5)]]),
        (["clip=dict(max_norm=3)"], "clip", dict(max_norm=3)),
        (["amp=bfloat16"], "amp", "bfloat16"),
        (["model=dict(neck=dict(width=1))"], "model", dict(type="A", neck=dict(type="N", width=1))),
        (["model.neck.new.deep=1"], "model", dict(type="A", neck=dict(type="N", width=0.5, new=dict(deep=1)))),
        (["model.neck=dict(_delete_=True, type='M')"], "model", dict(type="A", neck=dict(type="M"))),
        (["model.neck.type=M", "model.neck._delete_=True"], "model", dict(type="A", neck=dict(type="M"))),
        (
            ["model.neck=[dict(type='M'), dict(type='K')]"],
            "model",
            dict(type="A", neck=[dict(type="M"), dict(type="K")]),
        ),
    ],
)
def test_options_change_what_their_key_leads_to(options, key, value):
    assert changed(*options)[key] == value


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("modle.x=1", "the config has no 'modle'; did you mean 'model'?"),
        ("pipeline.99.prob=1", "pipeline has no item '99'; it has 2, which count from 0"),
        ("pipeline.2.prob=1", "pipeline has no item '2'; it has 2"),
        ("pipeline.first.prob=1", "pipeline has no item 'first'"),
        ("pipeline.-1.prob=1", "pipeline has no item '-1'"),
        ("model.5.prob=1", "model is no list, and has no item 5"),
        ("splits=a,b c", "splits is a list; write \"splits=['a', 'b c']\", quotes and all"),
        ("splits=[a]", "write \"splits=['a']\""),
        ("splits=3", "splits is a list"),
        ("splits=dict(a=1)", "splits is a list"),
        ("epochs=dict(a=1)", "epochs is 24, no dict"),
        ("model=dict(neck=dict(width=dict(a=1)))", "model.neck.width is 0.5, no dict"),
        ("epochs.x=1", "epochs is 24, with no part 'x'"),
        ("clip.max_norm=1", "clip is None, with no part 'max_norm'; give it as a whole, such as dict(max_norm=...)"),
        ("model=A", "model is a dict; change a key of it, such as model.type"),
        ("model=[1]", "model is a dict"),
        ("=1", "is not KEY=VALUE"),
        ("epochs", "is not KEY=VALUE"),
        ("model..x=1", "a part of the key is missing beside a dot"),
        ("model.=1", "a part of the key is missing beside a dot"),
    ],
)
def test_an_option_that_cannot_stand_is_one_line(option, sentence):
    with pytest.raises(UsageError) as caught:
        changed(option)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_change_reaches_one_of_two_places_that_share_a_list():
    shared = [dict(type="Flip", prob=0.5)]
    both = Config(dict(val=dict(pipeline=shared), test=dict(pipeline=shared)))
    apply_options(both, ["val.pipeline.0.prob=1"], known=())
    assert (both.val.pipeline[0].prob, both.test.pipeline[0].prob) == (1, 0.5)


def test_a_refused_option_tells_no_secret():
    with pytest.raises(UsageError, match=r"'epochs.api_key=\*\*\*'"):
        changed("epochs.api_key=abc")
