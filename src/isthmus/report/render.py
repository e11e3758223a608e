"""From templates and sections to one page that needs no other file."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from typing import Any

import isthmus


def render(template: str, styles: tuple[str, ...], **values: Any) -> str:
    """Fill in a template of the package, such as ``"report/page.html.j2"``, with style sheets put into the page.

    Every template also gets the version, and the present moment in three forms.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from isthmus.report.elements import data_uri, to_svg

    environment = Environment(
        loader=PackageLoader("isthmus", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(svg=to_svg, data_uri=data_uri)
    now = datetime.now().astimezone()
    sheets = [files("isthmus").joinpath(style).read_text("utf-8") for style in styles]
    return environment.get_template(template).render(
        css=Markup("\n".join(sheets)),
        date=f"{now.day} {now:%B %Y}",
        moment=f"{now:%Y-%m-%dT%H:%M%z}",
        version=isthmus.__version__,
        **values,
    )
