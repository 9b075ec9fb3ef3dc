"""What is written down of commands and configs tells no secret."""

import sys

import pytest

from yolo_plugins.masking import command_line, is_secret, mask_arguments, mask_values

SECRET = "token hf_token key api_key apiKey API-KEY WANDB_API_KEY access_key_id a.password passwd secret client_secret"
SECRET += " credentials credentials.user init_kwargs.api_key Authorization api_keys"


@pytest.mark.parametrize("key", SECRET.split())
def test_keys_of_secrets_are_known(key):
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "monkey",
        "keypoints",
        "greater_keys",
        "published_keys",
        "meta_keys",
        "num_tokens",
        "tokenizer",
        "passes",
        "data_root",
    ],
)
def test_keys_that_only_look_like_it_are_not(key):
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("hook.token=abc def", "hook.token=***"),
        ("monkey=abc", "monkey=abc"),
        (
            "vis_backends=[dict(type='W', init_kwargs=dict(api_key='a,)b', project='voc'))]",
            "vis_backends=[dict(type='W', init_kwargs=dict(api_key=***, project='voc'))]",
        ),
        ("x={'token': \"abc\" 'def', 'y': 1}", "x={'token': ***, 'y': 1}"),
        ("x=dict(a=1, password=12, b=dict(secret='q'))", "x=dict(a=1, password=***, b=dict(secret=***))"),
        ("x=dict(credentials=dict(user='a', pin='b'))", "x=dict(credentials=***"),
        ("uri=http://me:pw@host/x", "uri=http://***@host/x"),
        ("data_root=/data/token", "data_root=/data/token"),
        ("--amp", "--amp"),
    ],
)
def test_a_command_is_written_without_secrets(argument, written):
    assert mask_arguments(["train.py", argument]) == ["train.py", written]


def test_a_config_is_written_without_secrets():
    config = dict(
        hooks=[dict(type="A", api_key="abc", cls_token=True, key=None)],
        login=dict(credentials=dict(user="me")),
        uri="postgresql://me:pw@host",
        size=(1, 2),
    )
    assert mask_values(config) == dict(
        hooks=[dict(type="A", api_key="***", cls_token=True, key=None)],
        login=dict(credentials="***"),
        uri="postgresql://***@host",
        size=(1, 2),
    )


def test_a_command_line_is_told_as_one_may_type_it_again_without_its_secrets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["my config.py", "--cfg-options", "a.token=secret"]
    monkeypatch.setattr(sys, "argv", ["yolo-plugins train", *options])
    assert command_line() == "yolo-plugins train 'my config.py' --cfg-options 'a.token=***'"
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "tools" / "train.py"), *options[:1]])
    assert command_line() == "tools/train.py 'my config.py'"
    monkeypatch.setattr(sys, "argv", [""])
    assert command_line() == ""
