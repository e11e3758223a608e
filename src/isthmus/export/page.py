"""A trained model as a page that needs no server."""

from __future__ import annotations

import base64
import gzip
import html
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from isthmus.errors import ExportError, ParameterError
from isthmus.export.modules import RUNTIME, FrontEnd, policy
from isthmus.export.writing import MARK, check_target, is_single, write_file, write_folder

N_SAMPLES = 2000
"""Samples on the map of a page."""

_MOST_SAMPLES = 100_000
# What a browser opens at once, and what fits into a mail; beyond that the folder's files come one by one.
_MOST_SINGLE = 32 << 20
# A script is one string, and browsers have limits for these.
_MOST_GRAPH = 256 << 20


@dataclass(frozen=True)
class Page:
    """What was written.

    Parameters
    ----------
    start : Path
        What to open.
    n_bytes : int
        Size of all files.
    n_samples : int
        Samples on the map; 0 if it shows draws from the prior.
    error : float
        Largest difference of a network in the page from PyTorch, as a share of the largest value.
    spread : bool
        Whether the page shows how sure the encoder is.
    note : str or None
        What the page could not have, in a sentence.
    """

    start: Path
    n_bytes: int
    n_samples: int
    error: float
    spread: bool
    note: str | None


def write_page(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    data: str | None = None,
    n_samples: int = N_SAMPLES,
    name: str | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Page:
    """Write a page on which a run can be explored in any browser, without Python.

    Parameters
    ----------
    run : path
        Run folder.
    out : path
        A folder, which is made, or one file that ends in ``.html``. An earlier page in its place is replaced.
    data : str, optional
        Data on the map, as for ``isthmus fit``; by default what the run was fitted on.
    n_samples : int
        Rows of the data, chosen at random with a fixed seed, that become part of the page. With 0 no data leave this
        machine, and the map shows draws from the prior.
    name : str, optional
        What the page calls the run; by default the name of its folder.
    progress : callable
        Told what is being done.

    Returns
    -------
    Page

    Raises
    ------
    ExportError
        The model has no form in ONNX, the page would be too large, or there is something else in its place.
    RunError, DataSourceError
        The run or the data cannot be read.
    MissingExtraError
        The extra ``onnx`` is not there.
    """
    from isthmus.export.content import content
    from isthmus.export.positions import positions_of
    from isthmus.export.reading import open_run
    from isthmus.onnx import make_graphs

    out = Path(out)
    if not 0 <= n_samples <= _MOST_SAMPLES:
        raise ParameterError(f"a page holds from 0 to {_MOST_SAMPLES:,} samples, and not {n_samples:,}")
    check_target(out)
    opened, summary = open_run(Path(run), data, n_samples, name)
    progress("writing the networks as ONNX")
    graphs = make_graphs(opened.est, positions_of(opened.est.module_, opened.sliders))
    _check_size(len(graphs.encoder), len(graphs.decoder))
    progress("working out the map")
    known = content(opened, summary, spread=graphs.spread, meaning=graphs.codes is not None)
    assets = {
        "runtime": (RUNTIME / "ort-wasm-simd-threaded.wasm.gz").read_bytes(),
        "licences": gzip.compress(_licences().encode(), 9, mtime=0),
        "encoder": gzip.compress(graphs.encoder, 6, mtime=0),
        "decoder": gzip.compress(graphs.decoder, 6, mtime=0),
        "content": gzip.compress(known, 6, mtime=0),
    }
    if graphs.codes is not None and graphs.positions is not None:
        assets["codes"] = gzip.compress(graphs.codes, 6, mtime=0)
        assets["positions"] = gzip.compress(graphs.positions, 6, mtime=0)
    progress("writing the page")
    start, n_bytes = _write(out, opened.name, assets)
    shown = 0 if opened.given is None else len(opened.numbers)
    return Page(start, n_bytes, shown, graphs.error, graphs.spread, opened.data_problem if n_samples else None)


def _write(out: Path, name: str, assets: dict[str, bytes]) -> tuple[Path, int]:
    texts = {asset: base64.b64encode(data).decode() for asset, data in assets.items()}
    if is_single(out):
        page = _markup(name, texts).encode()
        if len(page) > _MOST_SINGLE:
            raise ExportError(
                f"one HTML file with this model would have {len(page) / 1e6:.0f} MB, and may have "
                f"{_MOST_SINGLE / 1e6:.0f}; write a folder instead: --web {out.with_suffix('')}"
            )
        write_file(out, page)
        return out, len(page)
    files = {f"assets/{asset}.js": f'isthmusAsset("{asset}","{text}");\n'.encode() for asset, text in texts.items()}
    files["index.html"] = _markup(name, {}).encode()
    write_folder(out, files)
    return out / "index.html", sum(map(len, files.values()))


def _markup(name: str, blocks: dict[str, str]) -> str:
    """The page, with what it needs inside as blocks of data. Only ``name`` is from the run, and it is escaped."""
    from isthmus import __version__

    page = FrontEnd().frame
    head = (
        f'{MARK}{__version__}">\n    '
        f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">\n    '
        f"<title>{html.escape(name)} · isthmus</title>"
    )
    data = "".join(f'  <script type="text/plain" id="asset-{key}">{text}</script>\n' for key, text in blocks.items())
    before, _, rest = page.partition("<title>")
    _, _, after = rest.partition("</title>")
    body, _, end = after.rpartition("</body>")
    return f"{before}{head}{body}{data}  </body>{end}"


def _check_size(*sizes: int) -> None:
    if max(sizes) > _MOST_GRAPH:
        raise ExportError(
            f"a network of this model has {max(sizes) / 1e6:,.0f} MB, more than the {_MOST_GRAPH / 1e6:,.0f} that a "
            "browser takes; use --onnx, or `isthmus studio`"
        )


def _licences() -> str:
    """Licences of all that is not ours in the page."""
    notices = gzip.decompress((RUNTIME / "ThirdPartyNotices.txt.gz").read_bytes()).decode("utf-8", "replace")
    parts = [(RUNTIME / "VERSION").read_text(), (RUNTIME / "LICENSE").read_text("utf-8"), notices]
    return "\n\n".join(parts)
