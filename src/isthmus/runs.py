"""Run folders: ``params.json``, ``model.safetensors``, ``history.csv``.

Nothing is pickled, and loading executes nothing and trusts no size, shape or name: the model is laid out without
memory first, and filled only if the file holds exactly the tensors that the layout expects.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import platform
import re
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.core import Part
from isthmus.corruptions import CustomCorruption
from isthmus.data.info import DataInfo
from isthmus.errors import IsthmusError, ParameterError, RunError
from isthmus.explore.attributes import MOST_ATTRIBUTES, restore_attributes
from isthmus.files import (
    HISTORY,
    PARAMS,
    WEIGHTS,
    atomic_write,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from isthmus.models.auto import Choice
from isthmus.networks import Scaling
from isthmus.priors.afterwards import Afterwards, FittedPrior, fitted_prior
from isthmus.processes import is_writer
from isthmus.training.checkpoint import restore_module
from isthmus.training.runtime import choose_device
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

_FORMAT = 1
# Larger declared sizes are forged: counts of 16 million, a list of 200 layers, a history of 16 MB.
_MOST, _MOST_ITEMS, _MOST_HISTORY = 1 << 24, 200, 16 << 20
_DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
_MALFORMED = (
    IsthmusError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    OSError,
    csv.Error,
)


def save_run(estimator: BaseAutoencoder, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a fitted estimator to the folder ``path``; see `BaseAutoencoder.save`.

    Of several processes that trained it together only the first writes, and the others do nothing.

    Raises
    ------
    RunError
        There is a run at ``path`` already and ``overwrite`` is False, or a ``params.json`` of something else.
    """
    if not is_writer():
        return
    folder = Path(path)
    if (folder / PARAMS).exists():
        if not overwrite:
            raise RunError(f"{folder} already holds a run; choose another folder, or pass overwrite=True to replace it")
        if "isthmus" not in (read_json(folder / PARAMS).get("versions") or {}):
            raise RunError(f"{folder / PARAMS} is not of isthmus; choose another folder")
    write_run(estimator, folder)


def write_run(estimator: BaseAutoencoder, folder: Path, source: dict[str, Any] | None = None) -> None:
    """Write or replace the three files of a run; nothing else in the folder is touched.

    The new weights and history are written beside the old ones; ``params.json``, which vouches for them by their
    checksums, is replaced in one step; then they take their places. Whenever that is cut off, `load` finds the
    old run or the new one, whole.
    """
    params = _describe(estimator, source)
    tensors = {f"module/{name}": t for name, t in estimator.module_.state_dict().items()}
    tensors |= {f"array/{name}": torch.from_numpy(a) for name, a in estimator.fitted_arrays().items()}
    for name, attribute in estimator.attributes_.items():
        tensors |= {f"attribute/{name}/{key}": torch.from_numpy(a) for key, a in attribute.arrays().items()}
    write_tensors(_next(folder / WEIGHTS), tensors)
    atomic_write(_next(folder / HISTORY), _history_csv(estimator.history_).encode())
    params["files"] = {name: _seal(_next(folder / name)) for name in (WEIGHTS, HISTORY)}
    params["digest"] = _digest(params)
    write_json(folder / PARAMS, params)
    for name in (WEIGHTS, HISTORY):
        _next(folder / name).replace(folder / name)


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
    try:
        if not folder.is_dir():
            raise RunError(f"there is no run folder {folder}")
        params = read_json(folder / PARAMS)
        if params.get("digest") != _digest(params):
            raise RunError(f"{folder / PARAMS} is damaged: its contents do not match their checksum")
        if params.get("format") != _FORMAT:
            raise RunError(f"{folder} has format {params.get('format')!r}, and this version reads {_FORMAT}")
        return _rebuild(folder, params)
    except RunError:
        raise
    except _MALFORMED as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise RunError(f"{str(folder)[-200:]} does not hold a model that can be read ({reason})") from None


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
            "prior": _encode(fitted_prior(module)),
            "choices": {name: [choice.value, choice.reason] for name, choice in estimator.choices_.items()},
            "attributes": {name: attribute.record() for name, attribute in estimator.attributes_.items()},
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
            f"{folder} holds a {str(params['class'])[:60]!r}, which is not a variant that is known here; "
            "import the module that defines it first"
        )
    estimator = known[params["class"]](**{name: _decode(value) for name, value in params["params"].items()})
    estimator.check_parameters()
    data, fitted = params["data"], params["fitted"]
    seal = params["files"][WEIGHTS]
    info = _read_info(data, most=_count(seal["bytes"], "the size of its weights", most=1 << 62))
    _restore_data(estimator, info, data)
    estimator.latent_dim_ = _count(fitted["latent_dim"], "latent_dim", least=1)
    with torch.device("meta"):
        parts = {"network": _decode(fitted["network"]), "likelihood": _decode(fitted["likelihood"])}
        module = estimator.compose({**parts, "scaling": Scaling(fitted["scaling"])})
        if fitted.get("prior") is not None:  # runs of earlier versions say nothing of it
            module.prior = Afterwards(module.prior, _fitted_prior(fitted["prior"]))
        estimator.module_ = module.setup(info, estimator.latent_dim_).eval()
    # What `fitted_arrays` adds is never more than a few copies of the weights.
    n_bytes = sum(tensor.numel() * tensor.itemsize for tensor in module.state_dict().values())
    records = fitted.get("attributes", {})  # runs of earlier versions have none
    n_bytes += _count(len(records), "attributes", most=MOST_ATTRIBUTES) * 8 * estimator.latent_dim_
    weights = _whole(folder / WEIGHTS, seal, most=4 * n_bytes + _MOST_HISTORY)
    tensors, _ = read_tensors(weights)
    groups: dict[str, dict[str, torch.Tensor]] = {"module": {}, "array": {}, "attribute": {}}
    for name, tensor in tensors.items():
        group, _, key = name.partition("/")
        groups[group][key] = tensor
    restore_module(module, groups["module"], str(weights))
    module.lay_out()
    arrays = {name: {key: t.numpy() for key, t in groups[name].items()} for name in ("array", "attribute")}
    estimator.restore_arrays(arrays["array"])
    estimator.attributes_ = restore_attributes(records, arrays["attribute"], estimator.latent_dim_)
    estimator.history_ = _read_history(_whole(folder / HISTORY, params["files"][HISTORY], most=_MOST_HISTORY))
    n_epochs = len(estimator.history_.get("epoch", []))
    estimator.best_epoch_ = _count(fitted["best_epoch"], "best_epoch", most=n_epochs)
    estimator.active_units_ = _count(fitted["active_units"], "active_units", most=estimator.latent_dim_)
    estimator.choices_ = {name: Choice(str(value), str(why)) for name, (value, why) in fitted["choices"].items()}
    return estimator


def _fitted_prior(value: Any) -> FittedPrior:
    prior = _decode(value)
    if not isinstance(prior, FittedPrior):
        raise RunError(f"a run declares {str(value)[:60]!r} as a density of its codes")
    return prior


def _restore_data(estimator: BaseAutoencoder, info: DataInfo, data: dict[str, Any]) -> None:
    estimator.info_ = info
    estimator.is_flat_ = bool(data["is_flat"])
    estimator.n_features_in_ = info.n_values
    if data["n_features_in"] != info.n_values:
        raise RunError(f"a run declares {data['n_features_in']!r} features in samples of {info.n_values} values")
    if estimator.image_shape is not None and tuple(estimator.image_shape) != info.shape:
        raise RunError(f"a run declares image_shape={estimator.image_shape!r} and samples of shape {info.shape}")
    names = data["feature_names"]
    if names is None:
        return
    if len(names) != info.n_values or not all(isinstance(name, str) for name in names):
        raise RunError(f"a run declares {len(names):,} names for {info.n_values:,} features")
    estimator.feature_names_in_ = np.array(names, dtype=object)


def _read_info(data: dict[str, Any], *, most: int) -> DataInfo:
    """Description of the data; a sample of more values than the weights have bytes is forged."""
    shape = data["shape"]
    if not 1 <= len(shape) <= 3:
        raise RunError(f"a run declares samples with {len(shape):,} axes")
    for side in shape:
        _count(side, "a side of the samples", least=1, most=most)
    _count(data["n_samples"], "n_samples", least=1, most=1 << 62)
    if data["dtype"] not in _DTYPES:
        raise RunError(f"a run declares data of type {str(data['dtype'])[:40]!r}")
    if not all(math.isfinite(data[end]) for end in ("minimum", "maximum")):
        raise RunError(f"a run declares data from {data['minimum']} to {data['maximum']}")
    if not all(type(data[flag]) is bool for flag in ("integral", "one_hot", "is_flat")):
        raise RunError("a run does not say what kind of data it was fitted on")
    info = DataInfo.from_summary(data)
    _count(info.n_values, "values per sample", least=1, most=most)
    return info


def _count(value: Any, what: str, *, least: int = 0, most: int = _MOST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise RunError(
            f"a run declares {what} = {str(value)[:40]}, which must be a whole number from {least} to {most}"
        )
    return value


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _whole(path: Path, seal: dict[str, Any], *, most: int) -> Path:
    """The file that the seal vouches for: at ``path``, or beside it if its run was cut off while it was replaced."""
    if _count(seal["bytes"], f"the size of {path.name}", most=1 << 62) > most:
        raise RunError(f"{path} is declared to be {seal['bytes']:,} bytes long, too long for what it holds")
    for candidate in (path, _next(path)):
        # The size first: a file of another size need not be read.
        if candidate.is_file() and candidate.stat().st_size == seal["bytes"] and _seal(candidate) == seal:
            return candidate
    if not path.is_file():
        raise RunError(f"there is no {path.name} in {path.parent}; the run is not whole")
    raise RunError(f"{path} is damaged: its contents do not match their checksum")


def _seal(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _encode(value: Any) -> Any:
    """Parameter to JSON."""
    if callable(value) and not isinstance(value, Part):
        value = CustomCorruption()  # loading a run executes nothing, so it cannot hold a function
    if isinstance(value, Part):
        return {
            "part": type(value).__name__,
            "args": {name: _encode(v) for name, v in value.config().items()},
        }
    if isinstance(value, Trainer):
        kept = {k: v for k, v in value.get_params(deep=False).items() if k not in ("callbacks", "resume")}
        return {"trainer": {name: _encode(v) for name, v in kept.items()}}
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
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
        options = {name: _decode(v) for name, v in value["trainer"].items()}
        return Trainer(**options | {"device": _here(options.get("device"))})
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS:
            raise RunError(f"a parameter has {len(value):,} items")
        return tuple(_decode(item) for item in value)
    if isinstance(value, int | float) and not (math.isfinite(value) and (type(value) is float or value < 1 << 40)):
        raise RunError(f"a parameter has the value {str(value)[:40]}")
    return value


def _here(device: Any) -> Any:
    """The device that a model was trained on; "auto" if this machine has no such one."""
    if not re.fullmatch(r"(cuda|mps)(:\d{1,2})?", str(device)):
        return device
    try:
        choose_device(device)
    except ParameterError:
        return "auto"
    return device


def _history_csv(history: dict[str, list[float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    return text.getvalue()


def _read_history(path: Path) -> dict[str, list[float]]:
    rows = list(csv.reader(path.read_text().splitlines()))
    if not rows:
        raise RunError(f"{path} is damaged: it has no header")
    if rows[0] == []:
        return {}
    if "epoch" not in rows[0] or len(set(rows[0])) < len(rows[0]) or len(rows) < 2:
        raise RunError(f"{path} is damaged: it is not a table of epochs")
    columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    history: dict[str, list[float]] = {name: [float(value) for value in values] for name, values in columns.items()}
    history["epoch"] = list(range(1, len(rows)))
    return history


def _digest(params: dict[str, Any]) -> str:
    """SHA-256 of everything in ``params.json`` but the digest itself: tells a damaged file from a whole one."""
    rest = {name: value for name, value in params.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
