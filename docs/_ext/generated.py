"""The directive ``generated``: tables and help texts made from the code, so that nothing is typed twice.

``{generated} models`` and the like insert what the function of that name in `MAKERS` returns, as Markdown. Before
anything is read, the API page of the variants is written from the registry.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Markdown table."""
    lines = [list(header), ["---"] * len(list(header)), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def models() -> str:
    """One row for each registered variant, with its own parameters and their defaults."""
    import isthmus
    from isthmus.commands.listing import summary
    from isthmus.models.base import BaseAutoencoder

    shared = inspect.signature(BaseAutoencoder.__init__).parameters
    rows = []
    for name, cls in isthmus.models().items():
        own = [p for p in inspect.signature(cls).parameters.values() if p.name not in shared]
        listed = ", ".join(f"`{p.name}={p.default!r}`" for p in own) or "none"
        rows.append([f"`{name}`", f"{{py:obj}}`~isthmus.{cls.__name__}`", summary(cls), listed])
    return table(["name", "class", "what it is", "parameters of its own"], rows)


def auto() -> str:
    """The table in the docstring of `isthmus.models.auto`."""
    from isthmus.models import auto as module

    lines = (module.__doc__ or "").splitlines()
    return "\n".join(line.replace("``", "`") for line in lines if line.startswith("|"))


def chapters() -> str:
    """The chapters of the tour, with what they are about."""
    from isthmus.tour.chapters import CHAPTERS

    rows = [[f"`{chapter.slug}`", chapter.title, first_line(chapter.run)] for chapter in CHAPTERS]
    return table(["name", "chapter", "shows"], rows)


def likelihoods() -> str:
    """Every likelihood, with the names that ``likelihood=`` accepts and the arguments they stand for."""
    from isthmus.core import named_parts
    from isthmus.likelihoods import Likelihood

    names: dict[type, list[str]] = {}
    for name, (cls, args) in named_parts(Likelihood).items():
        given = ", ".join(f"`{key}={value!r}`" for key, value in args.items())
        names.setdefault(cls, []).append(f'`"{name}"`' + (f" ({given})" if given else ""))
    rows = [
        [", ".join(listed), f"{{py:obj}}`~{cls.__module__.rpartition('.')[0]}.{cls.__name__}`", first_line(cls)]
        for cls, listed in names.items()
    ]
    return table(["names", "class", "what it is"], rows)


def corruptions() -> str:
    """Every corruption that has a name, with what its strength means."""
    from numpydoc.docscrape import ClassDoc

    from isthmus.core import named_parts
    from isthmus.corruptions import Corruption

    rows = []
    for name, (cls, _) in named_parts(Corruption).items():
        strength = ClassDoc(cls)["Parameters"][0]
        default = inspect.signature(cls).parameters[strength.name].default
        meaning = " ".join(strength.desc).replace("``", "`")
        rows.append([f'`"{name}"`', first_line(cls), f"`{strength.name}={default}`: {meaning}"])
    return table(["name", "what it does", "strength"], rows)


def metrics() -> str:
    """Every key of `evaluate` for which data are enough."""
    from isthmus.evaluate.metrics import METRICS

    return table(["key", "meaning"], [[f"`{key}`", text] for key, text in METRICS.items()])


def extras(group: str) -> str:
    """Keys of `evaluate` that need labels ("representation"), factors ("disentanglement") or reference ("samples")."""
    from isthmus.evaluate.catalogue import GROUPS

    rows = [[f"`{key}`", known.better or "", known.meaning] for key, known in GROUPS[group].items()]
    return table(["key", "better", "meaning"], rows)


def trainer() -> str:
    """Every parameter of `Trainer`."""
    from isthmus import Trainer

    return parameters(Trainer)


def shared() -> str:
    """Parameters that every variant takes: the plain autoencoder has no others."""
    from isthmus import Autoencoder

    return parameters(Autoencoder)


def parameters(cls: type) -> str:
    """Parameters of a class, with their defaults and their descriptions in its docstring."""
    from numpydoc.docscrape import FunctionDoc

    defaults = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    rows = [
        [f"`{p.name}`", f"`{defaults[p.name]!r}`", " ".join(p.desc).replace("``", "`")]
        for p in FunctionDoc(cls)["Parameters"]
    ]
    return table(["parameter", "default", "meaning"], rows)


def usage(*args: str) -> str:
    """What ``isthmus ARGS --help`` prints."""
    from isthmus.cli import main

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*args, "--help"])
    return f"```text\n{text.getvalue().strip()}\n```"


def first_line(documented: Callable) -> str:
    """Summary of a docstring."""
    return (inspect.getdoc(documented) or "").splitlines()[0]


MAKERS: dict[str, Callable[..., str]] = {
    maker.__name__: maker
    for maker in (models, auto, chapters, likelihoods, corruptions, metrics, extras, trainer, shared, usage)
}


class Generated(SphinxDirective):
    """Inserts what a function of this module returns."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown in place."""
        name, *args = self.arguments[0].split()
        if name not in MAKERS:
            raise self.error(f"there is nothing to generate called {name!r}; choose from {', '.join(MAKERS)}")
        # The code may have changed though the page has not.
        self.env.note_reread()
        return self.parse_text_to_nodes(MAKERS[name](*args))


def write_variants(app: Sphinx, config: object) -> None:
    """Write the list of variants from which autosummary makes their pages; pages of an earlier build may be stale."""
    import isthmus

    names = "\n".join(f"   {cls.__name__}" for cls in isthmus.models().values())
    text = (
        "Variants\n========\n\n.. currentmodule:: isthmus\n\n"
        f".. autosummary::\n   :toctree:\n   :template: own.rst\n\n{names}\n"
    )
    folder = Path(app.srcdir) / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "variants.rst").write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("generated", Generated)
    app.connect("config-inited", write_variants)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
