"""A fit in a process of its own: ``python -m isthmus.studio.fits.worker``.

What to fit comes as one line of JSON on the standard input; what happens goes out as lines of JSON. Ctrl-C ends it as
it ends ``isthmus fit``, with the best model so far saved; so does the end of whoever reads the lines.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from isthmus.commands.fit import fit_and_save, fit_parser, known_model, parse_model_options
from isthmus.errors import DivergedError, IsthmusError
from isthmus.files import PARAMS
from isthmus.models.fitting import split_rows, spread
from isthmus.models.inputs import known_dtype
from isthmus.studio.shown import shown
from isthmus.training.callbacks import Callback, Epoch

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.data import Samples

Send = Callable[[dict[str, Any]], bool]

_MOST_SHOWN, _MOST_VALUES = 8, 1 << 21
_WIDEST_ROW, _WIDEST_PICTURE = 256, 96
# Reconstructions are not to take more than about a tenth of the time.
_SHORTEST_WAIT, _SHARE = 0.1, 10.0
# The server and its sliders go first.
_NICENESS = 5


class Watcher(Callback):
    """Tells what happens in a training.

    Parameters
    ----------
    send : callable
        Takes a message; returns False if nobody listens any more.
    estimator : BaseAutoencoder
        About to be fitted.
    samples : Samples
        To these; a few that are held out are shown after the epochs, beside what the model makes of them.
    """

    def __init__(self, send: Send, estimator: Any, samples: Samples) -> None:
        self._send, self.estimator = send, estimator
        rows = _shown_rows(estimator, samples)
        events = known_dtype(np.asarray(samples.X[rows]))
        self._events = events if estimator.image_shape is None else events.reshape(-1, *estimator.image_shape)
        self._rows, self._module, self._next = rows, None, 0.0
        self._told = False

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        if not self._told:
            self._told = True
            choices = [{"name": name, **vars(choice)} for name, choice in self.estimator.choices_.items()]
            self._send({"event": "begun", "choices": choices, "n_parameters": self.estimator.n_parameters_})
            self._show(self._events, of="data")
            if (noisy := _corrupted(self.estimator, self._events)) is not None:
                self._events = noisy
                self._show(noisy, of="noisy")
        self._send({"event": "stage", "n_epochs": n_epochs})

    def on_epoch_end(self, epoch: Epoch) -> bool:
        told = {"event": "epoch", "stage": epoch.stage, "n_epochs": epoch.n_epochs, "best": epoch.is_best}
        listens = self._send({**told, "metrics": epoch.metrics})
        if not epoch.stage:
            self._module = epoch.module
            if time.monotonic() >= self._next:
                started = time.monotonic()
                self._reconstruct(epoch.number)
                now = time.monotonic()
                self._next = now + max(_SHORTEST_WAIT, _SHARE * (now - started))
        return not listens

    def on_fit_end(self) -> None:
        """Show what the kept weights make of the samples."""
        if self._module is not None:
            self._reconstruct(0)
            self._send({"event": "trained"})

    def finish(self) -> None:
        """The same for a model that was solved in closed form, so that it had no epochs."""
        if self._module is None and hasattr(self.estimator, "module_"):
            self._show(self._events, of="data")
            self._module = self.estimator.module_
            self._reconstruct(0)

    def _reconstruct(self, epoch: int) -> None:
        from isthmus.engines.engine import engine_of
        from isthmus.models.inference import rebuild

        module: Composed = self._module or self.estimator.module_
        self._show(rebuild(engine_of(module), self._events), of="model", epoch=epoch)

    def _show(self, events: np.ndarray, **what: Any) -> None:
        info = self.estimator.info_
        names = getattr(self.estimator, "feature_names_in_", None)
        step = max(1, max(info.shape[:2]) // _WIDEST_PICTURE)
        pieces = shown(events, info)[:, ::step, ::step] if info.is_picture else shown(events, info)[:, :_WIDEST_ROW]
        data = base64.b64encode(np.ascontiguousarray(pieces).tobytes()).decode()
        listed = None if names is None or info.is_picture else [str(name) for name in names[:_WIDEST_ROW]]
        form = {"shape": pieces.shape, "dtype": pieces.dtype.name, "data": data}
        self._send({"event": "shown", **what, "rows": self._rows.tolist(), "names": listed, **form})


def main() -> int:
    """Carry out the fit that the standard input describes."""
    send = _speaker()
    # A server that was started in the background may have let its children ignore them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        spec = json.loads(sys.stdin.readline())
        folder = Path(spec["folder"])
        send({"event": "end", **_result(spec, folder, send), "saved": (folder / PARAMS).is_file()})
    except KeyboardInterrupt:
        send({"event": "end", "state": "stopped", "saved": False})
    return 0


def _result(spec: dict[str, Any], folder: Path, send: Send) -> dict[str, Any]:
    watchers: list[Watcher] = []

    def watch(estimator: Any, samples: Samples) -> list[Callback]:
        watchers.append(Watcher(send, estimator, samples))
        return list(watchers)

    def tell(text: str) -> None:
        kind, _, rest = text.partition("warning: ")
        if not kind:
            send({"event": "warning", "text": rest})

    try:
        cls = known_model(spec["model"])
        config = parse_model_options(fit_parser(cls), [*spec["args"], "--quiet"])
        fit_and_save(cls, config, watch, tell)
    except KeyboardInterrupt:
        return {"state": "stopped", "figures": _figures(watchers)}
    except DivergedError as error:
        return {"state": "failed", "error": _line(error), "figures": _figures(watchers)}
    except IsthmusError as error:
        return {"state": "failed", "error": _line(error)}
    except Exception as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            return {"state": "failed", "error": "there is not enough memory for this model and these data"}
        return {"state": "failed", "error": f"{type(error).__name__}: {_line(error)}"}
    for watcher in watchers:
        watcher.finish()
    return {"state": "done", "figures": _figures(watchers)}


def _figures(watchers: list[Watcher]) -> dict[str, int]:
    """Key figures of what was fitted, if it came so far."""
    found = vars(watchers[0].estimator) if watchers else {}
    return {name: int(found[f"{name}_"]) for name in ("latent_dim", "active_units") if f"{name}_" in found}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:1000]


def _speaker() -> Send:
    """The standard output for messages alone: whatever else is printed goes to the standard error."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> bool:
        try:
            out.write(json.dumps(message, separators=(",", ":")) + "\n")
            out.flush()
        except (OSError, ValueError):  # nobody reads, and after the first failure the stream is closed
            return False
        return True

    return send


def _corrupted(estimator: Any, events: np.ndarray) -> np.ndarray | None:
    """What a denoiser gets to see of samples, which it is to restore; None for other models.

    Those that learn from noisy data alone, or from pairs, get the samples as they come.
    """
    from isthmus.corruptions import BlindSpot, NeighbourPairs, NoCorruption
    from isthmus.models.denoiser import Denoiser
    from isthmus.training.runtime import random_numbers

    module: Composed = estimator.module_
    if not isinstance(estimator, Denoiser) or isinstance(module.corruption, BlindSpot | NeighbourPairs | NoCorruption):
        return None
    where = module.scaling.shift.device
    with random_numbers(0, where), torch.no_grad():
        return module.corruption(module.real(torch.tensor(events, device=where)))[0].cpu().numpy()


def _shown_rows(estimator: Any, samples: Samples) -> np.ndarray:
    """Numbers of a few rows that will be held out, or of training rows if none are.

    The seed is drawn as `fit` will draw it, from a copy of the same generator.
    """
    seed = copy.deepcopy(check_random_state(estimator.random_state)).randint(2**31 - 1)
    split = split_rows(samples.X, estimator.trainer.validation_fraction, seed)
    rows = split.validation if len(split.validation) else split.train
    n_values = max(1, int(np.prod(samples.X.shape[1:])))
    return np.asarray(spread(rows, max(1, min(_MOST_SHOWN, _MOST_VALUES // n_values))))


if __name__ == "__main__":
    sys.exit(main())
