"""The page that explains the API, made of what the application says of itself; it needs nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>isthmus studio: the API</title>
<link rel="icon" href="/static/mark.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/css/tokens.css">
<link rel="stylesheet" href="/static/css/base.css">
<link rel="stylesheet" href="/static/css/api.css">
</head>
<body class="api">
<main>
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every route, what it takes, and what it gives."""
    return HTMLResponse(page(request.app.openapi()))


def page(schema: dict[str, Any]) -> str:
    """HTML of an OpenAPI schema."""
    groups: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["more"])[0], []).append(_operation(path, method, operation))
    title, intro = escape(schema["info"]["title"]), escape(schema["info"]["description"])
    parts = [f"<h1>{title}</h1>\n<p>{intro}</p>", _NOTES]
    parts += [f"<h2>{escape(name)}</h2>\n{''.join(routes)}" for name, routes in groups.items()]
    return f"{_HEAD}{''.join(parts)}</main>\n</body>\n</html>\n"


_NOTES = """<p>Names of runs come last in an address and may hold slashes. Arrays are JSON, or NumPy's own format with
the type <code>application/x-npy</code>; <code>Accept</code> says which the answer is to have. What is refused is
answered with <code>{"error": "one sentence"}</code>. The schema is at <a href="/openapi.json">/openapi.json</a>.</p>
"""


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        _row(value["name"], value["in"], value["schema"], value.get("required"))
        for value in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content.get("schema", {})
        fields = schema.get("properties", {})
        required = schema.get("required", [])
        rows += [_row(name, "body, JSON", field, name in required) for name, field in fields.items()]
        if not fields:
            rows.append(_row("the body", kind, schema, None))
    table = (
        f"<table><thead><tr><th>name</th><th>in</th><th>what</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    return (
        f"<section><h3><code>{method.upper()} {escape(path)}</code></h3>\n"
        f"<p>{escape(operation.get('description', ''))}</p>\n{table if rows else ''}</section>\n"
    )


def _row(name: str, place: str, schema: dict[str, Any], required: bool | None) -> str:
    said = [schema.get("description", ""), _type(schema)]
    if required:
        said.append("required")
    elif schema.get("default") is not None:
        said.append(f"by default {schema['default']}")
    what = "; ".join(part for part in said if part)
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(place)}</td><td>{escape(what)}</td></tr>"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"] if one.get("type") != "null")
    return str(schema.get("type", ""))
