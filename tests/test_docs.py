"""The documentation says what is true: its code runs, its links lead somewhere, its lists are complete."""

import ast
import re
import shlex
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from docstring_parser import DocstringStyle, parse
from sklearn.datasets import load_iris, load_wine

import isthmus
from isthmus.cli import main
from isthmus.core import Part
from isthmus.models.base import BaseAutoencoder

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
_slow = {"quickstart.md"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
every_example = pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
runnable = pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page.name in _slow else []) for page in PAGES],
    ids=lambda page: page.name,
)


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@runnable
def test_python_and_shell_blocks_run_as_written(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wine: Any = load_wine(as_frame=True)
    wine.data.assign(cultivar=wine.target).to_csv("wine.csv", index=False)
    scope: dict = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), scope)
    for line in "".join(blocks(page, "sh")).splitlines():
        program, *args = shlex.split(line)
        assert program == "isthmus"
        assert main(args) == 0, capsys.readouterr().err
        if "--out" in args:
            assert Path(args[args.index("--out") + 1]).exists()


def test_readme_says_the_shapes_that_come_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    code = blocks(ROOT / "README.md", "python")[0]
    exec(compile(code, "README.md", "exec"), scope)
    for name in ("Z", "X", "new"):
        line = next(line for line in code.splitlines() if line.startswith(f"{name} ="))
        assert str(scope[name].shape) in line
    np.testing.assert_array_equal(scope["same"].transform("digits"), scope["Z"])
    assert "likelihood   gaussian" in capsys.readouterr().out


def test_the_command_line_page_has_a_section_for_every_command():
    from isthmus.cli import _COMMANDS

    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "cli.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(_COMMANDS)


@pytest.mark.parametrize(
    "package", ["networks", "bottlenecks", "priors", "corruptions", "terms", "likelihoods", "explore"]
)
def test_the_reference_lists_all_that_a_package_offers(package):
    listed = set(re.findall(r"\w+", (ROOT / "docs" / "api.rst").read_text("utf-8")))
    assert set(import_module(f"isthmus.{package}").__all__) <= listed


def test_every_extra_that_is_named_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    texts = [path.read_text("utf-8") for path in [*(ROOT / "src").rglob("*.py"), *PAGES]]
    named = {name for text in texts for name in re.findall(r"isthmus\[(\w+)\]", text)}
    assert named
    assert named <= set(extras)


@every_page
def test_relative_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_every_page_is_reached_from_the_readme_or_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8").split()
    stems = {path.stem for path in (ROOT / "docs").glob("*.*") if path.suffix in (".md", ".rst")}
    assert stems - {"index"} <= set(index)


@every_example
def test_examples_compile_and_say_what_they_do(script):
    tree = ast.parse(script.read_text("utf-8"), script.name)
    compile(tree, script.name, "exec")
    assert len((ast.get_docstring(tree) or "").splitlines()[0]) > 20


@every_example
def test_examples_use_what_there_is(script):
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "isthmus":
            module = __import__(node.module, fromlist=["_"])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_models_are_listed_by_the_command_line(capsys):
    assert main(["models"]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in listed] == list(isthmus.models())
    assert all(summary.strip().endswith(".") for _, summary in listed)


@pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
def test_models_document_every_parameter_with_an_example(cls):
    doc = parse(cls.__doc__ or "", DocstringStyle.NUMPYDOC)
    documented = {param.arg_name for param in doc.params if param.args[0] == "param"}
    assert documented == set(cls().get_params(deep=False))
    assert any(">>>" in (example.snippet or example.description or "") for example in doc.examples)


def test_public_names_are_in_the_reference():
    words = (ROOT / "docs" / "api.rst").read_text("utf-8").split()
    assert set(isthmus.__all__) <= {word.rpartition(".")[2] for word in words}


def added_files(diff: str) -> dict[str, str]:
    """Contents of the files that a diff adds."""
    parts = re.split(r"^--- /dev/null\n\+\+\+ b/(.*)\n@@ -0,0 \+1,(\d+) @@\n", diff, flags=re.MULTILINE)[1:]
    files = {}
    for path, count, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        lines = body.splitlines()
        assert len(lines) == int(count)
        assert all(line.startswith("+") for line in lines)
        files[path] = "\n".join(line[1:] for line in lines)
    return files


def test_the_variant_of_the_contributors_guide_works(monkeypatch, tmp_path):
    monkeypatch.setattr(BaseAutoencoder, "registry", dict(BaseAutoencoder.registry))
    monkeypatch.setattr(Part, "kinds", dict(Part.kinds))
    known = set(isthmus.models())
    (diff,) = blocks(ROOT / "CONTRIBUTING.md", "diff")
    for path, source in added_files(diff).items():
        name = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, path, "exec"), module.__dict__)
    (new,) = set(isthmus.models()) - known
    iris: Any = load_iris()
    X = iris.data
    make: Any = isthmus.models()[new]
    free, taxed = (make(2, penalty=penalty, max_epochs=20, random_state=0).fit(X) for penalty in (0, 10))
    assert np.abs(taxed.transform(X)).mean() < 0.9 * np.abs(free.transform(X)).mean()
    taxed.save(tmp_path / "run")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "run").transform(X), taxed.transform(X))
