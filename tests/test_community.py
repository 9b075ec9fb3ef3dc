"""What the host of the repository reads: issue forms, the citation. Wrong ones it leaves out without a word."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]
FORMS = sorted(path for path in (REPO / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PAGES = [*FORMS, REPO / ".github/PULL_REQUEST_TEMPLATE.md", REPO / "SECURITY.md"]
YAML = [*sorted((REPO / ".github").rglob("*.yml")), REPO / "CITATION.cff", REPO / ".pre-commit-config.yaml"]
# Of each kind of field: what it must state, what it may.
FIELDS = {
    "markdown": ({"value"}, set()),
    "input": ({"label"}, {"description", "placeholder", "value"}),
    "textarea": ({"label"}, {"description", "placeholder", "value", "render"}),
    "dropdown": ({"label", "options"}, {"description", "multiple", "default"}),
    "checkboxes": ({"label", "options"}, {"description"}),
}

forms = pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yaml_is_a_dict_without_repeated_keys(path):
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{path}: a key of {keys} is repeated"
        return {
            key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value, strict=True)
        }

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    assert isinstance(yaml.load(path.read_text(), Strict), dict)


@forms
def test_a_form_has_what_the_host_asks_for(form):
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(content) <= {"name", "description", "title", "labels", "body"}
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    for field in content["body"]:
        assert set(field) <= {"type", "id", "attributes", "validations"}
        must, may = FIELDS[field["type"]]
        assert must <= set(field["attributes"]) <= must | may
        assert set(field.get("validations", {})) <= {"required"}
    for names in ([field["id"] for field in fields], [field["attributes"]["label"] for field in fields]):
        assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[\w-]+", field["id"]) for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    for command in re.findall(r"yolo-plugins ([a-z][a-z-]+)", text):
        assert (REPO / "yolo_plugins/commands" / f"{command.replace('-', '_')}.py").is_file()
    for name in re.findall(r"`([\w/]+(?:/|\.md|\.txt))`|\b((?:docs|tools)/[\w/]+\.(?:md|py))", text):
        assert (REPO / "".join(name)).exists()
    for target in re.findall(r"`make (\w+)", text):
        assert f"\n{target}:" in (REPO / "Makefile").read_text()


def test_a_bug_comes_with_the_report_of_the_doctor():
    fields = {
        field["id"]: field for field in yaml.safe_load((REPO / ".github/ISSUE_TEMPLATE/bug.yml").read_text())["body"]
    }
    assert fields["doctor"]["attributes"]["label"] == "yolo-plugins doctor"
    assert fields["doctor"]["attributes"]["render"] == "text"
    assert fields["doctor"]["validations"]["required"] is True


def test_the_citation_is_of_this_version():
    command = [sys.executable, "setup.py", "--name", "--version", "--license", "--description"]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text())
    stated = [citation[key] for key in ("title", "version", "license", "abstract")]
    assert result.stdout.splitlines()[-4:] == stated


def test_the_citation_has_what_its_format_asks_for():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    for work in [citation, *citation["references"]]:
        assert work["title"] and work["authors"]
        assert all(
            set(author) in ({"name"}, {"family-names"}, {"family-names", "given-names"}) for author in work["authors"]
        )
        assert re.fullmatch(r"10\.\d{4,9}(\.\d+)?/\S+", work.get("doi", "10.1234/x"))
