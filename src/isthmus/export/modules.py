"""The studio's front end as text that goes into one page: its modules, its styles, its frame."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

STATIC = Path(__file__).parent.parent / "studio" / "static"
RUNTIME = STATIC / "vendor" / "onnxruntime-web"

_ENTRY = "isthmus/web/app.js"
_BOOT = f'import "{_ENTRY}";'
_VIEWS = "isthmus/views/index.js"
# What a page without a server can do beside exploring its run: `Backend.can` of onnx_backend.js.
_CAN = ("own",)
_TOO_OLD = (
    "if (!HTMLScriptElement.supports?.('importmap') || !self.DecompressionStream) "
    "document.getElementById('main').textContent = 'This page needs a newer browser.';"
)

_SPECIFIER = re.compile(r'(?:\bfrom|\bimport)\s*\(?\s*"(isthmus/[\w./-]+|onnxruntime-web)"')
_ENTRIES = re.compile(r"\{[^{}]*\}")
_NEEDS = re.compile(r'needs: "(\w+)"')
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


@dataclass(frozen=True)
class FrontEnd:
    """The files of a front end.

    Parameters
    ----------
    static : Path
        Folder with ``index.html``, ``css/`` and ``js/``.
    """

    static: Path = STATIC

    @cached_property
    def modules(self) -> dict[str, str]:
        """Every module that the page may load, by its name: the entry, and what these import in turn."""
        found: dict[str, str] = {}
        waiting = [_ENTRY]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found[name] = source = self._module(name)
            if not name.startswith("isthmus/"):
                continue
            parts = [entry for entry in _ENTRIES.findall(source) if _is_possible(entry)] if name == _VIEWS else [source]
            waiting += [wanted for part in parts for wanted in _SPECIFIER.findall(part)]
        return dict(sorted(found.items()))

    def _module(self, name: str) -> str:
        if name == "onnxruntime-web":
            path = self.static / "vendor" / name / "ort.wasm.bundle.min.mjs"
        else:
            path = self.static / "js" / name.removeprefix("isthmus/")
        # A map of the source would be asked for over a network, and lies nowhere.
        return _SOURCE_MAP.sub("", path.read_text("utf-8"))

    @cached_property
    def frame(self) -> str:
        """``index.html``, whose styles and scripts are in it."""
        page = (self.static / "index.html").read_text("utf-8")
        styles = re.findall(r'^ *<link rel="stylesheet" href="/static/([^"]+)">\n', page, re.MULTILINE)
        sheet = "\n".join((self.static / name).read_text("utf-8") for name in styles)
        mark = base64.b64encode((self.static / "mark.svg").read_bytes()).decode()
        page = re.sub(r'^ *<link rel="stylesheet".*\n', "", page, flags=re.MULTILINE)
        page = page.replace("/static/mark.svg", f"data:image/svg+xml;base64,{mark}")
        page = re.sub(
            r'<script src="/static/(js/[^"]+)"></script>',
            lambda match: f"<script>{(self.static / match[1]).read_text('utf-8')}</script>",
            page,
        )
        page = re.sub(
            r'<script type="importmap">.*?</script>',
            lambda _: f'<style>\n{sheet}</style>\n    <script type="importmap">{self.import_map}</script>',
            page,
            count=1,
            flags=re.DOTALL,
        )
        page = re.sub(
            r'<script type="module" src="[^"]+"></script>',
            f'<script type="module">{_BOOT}</script>',
            page,
            count=1,
        )
        return page.replace("</body>", f"  <script>{_TOO_OLD}</script>\n  </body>")

    @property
    def import_map(self) -> str:
        """JSON from names of modules to the modules themselves."""
        urls = {name: _as_url(source) for name, source in self.modules.items()}
        return json.dumps({"imports": urls}, separators=(",", ":"))


def policy(page: str) -> str:
    """Content security policy of a page: its own scripts, and nothing from anywhere else."""
    scripts = [
        _digest(text) for text in re.findall(r"<script(?: type=\"(?:importmap|module)\")?>(.*?)</script>", page, re.S)
    ]
    styles = [_digest(text) for text in re.findall(r"<style>(.*?)</style>", page, re.S)]
    return "; ".join(
        [
            "default-src 'none'",
            # Modules are data, WebAssembly is compiled, and scripts beside the page bring what is large.
            f"script-src 'self' data: 'wasm-unsafe-eval' {' '.join(scripts)}",
            f"style-src {' '.join(styles)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _is_possible(entry: str) -> bool:
    """Whether an entry of the list of views is of one that a page without a server can show."""
    needed = _NEEDS.search(entry)
    return needed is None or needed[1] in _CAN


def _as_url(source: str) -> str:
    return "data:text/javascript;charset=utf-8;base64," + base64.b64encode(source.encode()).decode()
