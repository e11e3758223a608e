"""Run folders: ``params.json``, ``model.safetensors``, ``history.csv``.

Nothing is pickled, and loading executes nothing and trusts no size, shape or name: the model is laid out without
memory first, and filled only if the file holds exactly the tensors that the layout expects.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import shutil
import uuid
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.core import Part
from isthmus.data.info import DataInfo
from isthmus.errors import IsthmusError, RunError
from isthmus.files import atomic_write, read_json, read_tensors, write_json, write_tensors
from isthmus.models.auto import Choice
from isthmus.networks import Scaling
from isthmus.training.checkpoint import restore_module
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

_FORMAT = 1
PARAMS, WEIGHTS, HISTORY = "params.json", "model.safetensors", "history.csv"
# Larger declared sizes are forged: a sample of 16 million values, a layer list of a thousand.
_MOST_VALUES, _MOST_ITEMS = 1 << 24, 1000


def save_run(estimator: BaseAutoencoder, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a fitted estimator to the folder ``path``; see `BaseAutoencoder.save`.

    Raises
    ------
    RunError
        There is a run at ``path`` already and ``overwrite`` is False.
    """
    folder = Path(path)
    if not (folder / PARAMS).exists():
        write_run(estimator, folder)
        return
    if not overwrite:
        raise RunError(f"{folder} already holds a run; choose another folder, or pass overwrite=True to replace it")
    # The new run is whole before the old one goes, and the old one is only set aside until the new one is in place.
    mark = uuid.uuid4().hex[:8]
    fresh, old = (folder.with_name(f".{folder.name}.{kind}-{mark}") for kind in ("new", "old"))
    write_run(estimator, fresh)
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old)


def write_run(estimator: BaseAutoencoder, folder: Path, source: dict[str, Any] | None = None) -> None:
    """Write or update the three files of a run; ``params.json`` last, since it vouches for the others."""
    tensors = {f"module/{name}": t for name, t in estimator.module_.state_dict().items()}
    tensors |= {f"array/{name}": torch.from_numpy(a) for name, a in estimator.fitted_arrays().items()}
    write_tensors(folder / WEIGHTS, tensors)
    atomic_write(folder / HISTORY, _history_csv(estimator.history_).encode())
    params = _describe(estimator, source)
    params["files"] = {name: _file_digest(folder / name) for name in (WEIGHTS, HISTORY)}
    params["digest"] = _digest(params)
    write_json(folder / PARAMS, params)


def load(path: str | PathLike[str]) -> BaseAutoencoder:
    """Read a fitted estimator from a run folder.

    Parameters
    ----------
    path : path
        Folder written by `BaseAutoencoder.save` or ``isthmus fit --out``.

    Returns
    -------
    BaseAutoencoder
        Of the class that was saved, on the CPU, giving the same codes bit for bit.

    Raises
    ------
    RunError
        The folder is missing or damaged, or was made by a variant that is not imported.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise RunError(f"there is no run folder {folder}")
    params = read_json(folder / PARAMS)
    if params.get("digest") != _digest(params):
        raise RunError(f"{folder / PARAMS} is damaged: its contents do not match their checksum")
    if params.get("format") != _FORMAT:
        raise RunError(f"{folder} has format {params.get('format')!r}, and this version of isthmus reads {_FORMAT}")
    try:
        for name in (WEIGHTS, HISTORY):
            if _file_digest(folder / name) != params["files"][name]:
                raise RunError(f"{folder / name} is damaged: its contents do not match their checksum")
        return _rebuild(folder, params)
    except RunError:
        raise
    except (
        IsthmusError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise RunError(f"{folder / PARAMS} does not describe a model: {str(error).splitlines()[:1]}") from None


def run_source(path: str | PathLike[str]) -> dict[str, Any] | None:
    """The data that a run was fitted on, if that was recorded: ``data``, as the user named them, and ``options``."""
    source = read_json(Path(path) / PARAMS).get("source")
    if isinstance(source, dict) and isinstance(source.get("data"), str) and isinstance(source.get("options"), dict):
        return source
    return None


def _describe(estimator: BaseAutoencoder, source: dict[str, Any] | None) -> dict[str, Any]:
    import sklearn

    import isthmus

    module = estimator.module_
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "format": _FORMAT,
        "model": estimator.name,
        "class": type(estimator).__name__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source,
        "params": {name: _encode(value) for name, value in estimator.get_params(deep=False).items()},
        "data": {
            **estimator.info_.summary(),
            "is_flat": estimator.is_flat_,
            "n_features_in": int(estimator.n_features_in_),
            "feature_names": None if names is None else [str(name) for name in names],
        },
        "fitted": {
            "latent_dim": estimator.latent_dim_,
            "network": _encode(module.network),
            "likelihood": _encode(module.likelihood),
            "scaling": module.scaling.kind,
            "best_epoch": estimator.best_epoch_,
            "active_units": estimator.active_units_,
            "choices": {name: [choice.value, choice.reason] for name, choice in estimator.choices_.items()},
        },
        "versions": {
            "isthmus": isthmus.__version__,
            "torch": torch.__version__,
            "scikit-learn": sklearn.__version__,
            "python": platform.python_version(),
        },
    }


def _rebuild(folder: Path, params: dict[str, Any]) -> BaseAutoencoder:
    from isthmus.models import models

    known = {cls.__name__: cls for cls in models().values()}
    if params["class"] not in known:
        raise RunError(
            f"{folder} holds a {str(params['class'])[:60]!r}, which is not a variant that is known here "
            f"({', '.join(known)}); import the module that defines it first"
        )
    estimator = known[params["class"]](**{name: _decode(value) for name, value in params["params"].items()})
    data, fitted = params["data"], params["fitted"]
    info = _read_info(data)
    latent_dim = fitted["latent_dim"]
    if not isinstance(latent_dim, int) or not 1 <= latent_dim <= _MOST_VALUES:
        raise RunError(f"{folder} declares a code of width {latent_dim!r}")
    with torch.device("meta"):
        parts = {"network": _decode(fitted["network"]), "likelihood": _decode(fitted["likelihood"])}
        module = estimator.compose({**parts, "scaling": Scaling(fitted["scaling"])}).setup(info, latent_dim)
    tensors, _ = read_tensors(folder / WEIGHTS)
    groups: dict[str, dict[str, torch.Tensor]] = {"module": {}, "array": {}}
    for name, tensor in tensors.items():
        group, _, key = name.partition("/")
        groups[group][key] = tensor
    restore_module(module, groups["module"], str(folder / WEIGHTS))
    estimator.module_ = module.eval()
    estimator.info_, estimator.latent_dim_ = info, latent_dim
    estimator.is_flat_, estimator.n_features_in_ = bool(data["is_flat"]), int(data["n_features_in"])
    if data["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(data["feature_names"], dtype=object)
    estimator.best_epoch_, estimator.active_units_ = int(fitted["best_epoch"]), int(fitted["active_units"])
    estimator.choices_ = {name: Choice(str(value), str(why)) for name, (value, why) in fitted["choices"].items()}
    estimator.history_ = _read_history(folder / HISTORY)
    estimator.restore_arrays({name: tensor.numpy() for name, tensor in groups["array"].items()})
    return estimator


def _read_info(data: dict[str, Any]) -> DataInfo:
    shape = data["shape"]
    if not 1 <= len(shape) <= 3 or not all(type(side) is int and 1 <= side <= _MOST_VALUES for side in shape):
        raise RunError(f"a run declares samples of shape {shape}")
    info = DataInfo.from_summary(data)
    if info.n_values > _MOST_VALUES:
        raise RunError(f"a run declares samples of {info.n_values:,} values")
    np.dtype(info.dtype)
    return info


def _encode(value: Any) -> Any:
    """Parameter to JSON."""
    if isinstance(value, Part):
        return {
            "part": type(value).__name__,
            "args": {name: _encode(v) for name, v in value.config().items()},
        }
    if isinstance(value, Trainer):
        kept = {k: v for k, v in value.get_params(deep=False).items() if k not in ("callbacks", "resume")}
        return {"trainer": {name: _encode(v) for name, v in kept.items()}}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if isinstance(value, PathLike):
        return str(value)
    # A generator has no value that another process could use.
    return None if isinstance(value, np.random.RandomState) else value


def _decode(value: Any) -> Any:
    """JSON to parameter; only registered parts are constructed."""
    if isinstance(value, dict) and set(value) == {"part", "args"}:
        if value["part"] not in Part.kinds:
            raise RunError(f"unknown part {value['part']!r}; import the module that defines it first")
        return Part.kinds[value["part"]](**{name: _decode(v) for name, v in value["args"].items()})
    if isinstance(value, dict) and set(value) == {"trainer"}:
        return Trainer(**{name: _decode(v) for name, v in value["trainer"].items()})
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS:
            raise RunError(f"a parameter has {len(value):,} items")
        return tuple(_decode(item) for item in value)
    if isinstance(value, int) and abs(value) > 1 << 40:
        raise RunError(f"a parameter has the value {value:.3g}")
    return value


def _history_csv(history: dict[str, list[float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    return text.getvalue()


def _read_history(path: Path) -> dict[str, list[float]]:
    rows = list(csv.reader(path.read_text().splitlines()))
    if not rows or not rows[0]:
        return {}
    columns = zip(*rows[1:], strict=True)
    return {
        name: [int(v) if name == "epoch" else float(v) for v in values]
        for name, values in zip(rows[0], columns, strict=True)
    }


def _digest(params: dict[str, Any]) -> str:
    """SHA-256 of everything in ``params.json`` but the digest itself: tells a damaged file from a whole one."""
    rest = {name: value for name, value in params.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    if not path.is_file():
        raise RunError(f"there is no {path.name} in {path.parent}; the run is not whole")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
