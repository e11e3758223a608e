"""Configuration of the documentation: `make docs` builds it, and a warning is an error."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
# The width of the help texts that are captured while building.
os.environ["COLUMNS"] = "92"

import isthmus  # noqa: E402 (after the path)

project = "isthmus"
author = "The isthmus developers"
project_copyright = author
version = release = isthmus.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "generated",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
# Single backticks link to whatever object has that name, as NumPy's own documentation does.
default_role = "autolink"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# The docstrings say what a class has; the methods that all variants share are listed with their base class.
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"isthmus {release}"
html_copy_source = False


def escape_stars(app, what, name, obj, options, lines):
    """Shapes such as (B, *event) are no emphasis."""
    lines[:] = [line.replace("*event", "\\*event") for line in lines]


def setup(app):
    """Before numpydoc, which comes at 500, reads the docstrings."""
    app.connect("autodoc-process-docstring", escape_stars, priority=400)
