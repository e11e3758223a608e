"""A named feature extractor, fitted on training data, by which samples are compared."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.data.streams import AnyRows, Rows, chunks
from isthmus.errors import DataError, ParameterError, RunError
from isthmus.evaluate.extractor_networks import WIDTH, make_classifier, train_classifier
from isthmus.evaluate.representation import check_classes
from isthmus.files import read_json, read_tensors, write_json, write_tensors

Name = Literal["classifier", "pca-64", "pixels"]

_MOST_ROWS, _BATCH = 20_000, 512
_MOST_VALUES, _MOST_CLASSES = 1 << 26, 10_000
_CONFIG, _WEIGHTS = "extractor.json", "extractor.safetensors"


class Extractor:
    """Features of samples: which ones, fitted on what, and with which weights, so that two can be told apart.

    How close samples are to data depends entirely on the features that are compared, so every number carries the
    ``label`` of its extractor. Make one with `fit` or `load`.

    Parameters
    ----------
    name : {"classifier", "pca-64", "pixels"}
        Kind.
    shape : tuple of int
        Shape of one sample.
    tensors : dict of str to Tensor
        ``shift`` and ``scale`` that are applied to samples first, and the weights.
    n_classes : int
        Of a classifier.
    accuracy : float, optional
        Of a classifier, on a tenth of the rows, which it was not trained on. Features of a poor one say little.
    """

    def __init__(
        self,
        name: Name,
        shape: tuple[int, ...],
        tensors: dict[str, Tensor],
        n_classes: int = 0,
        accuracy: float | None = None,
    ) -> None:
        self.name: Name = name
        self.shape = shape
        self.n_classes = n_classes
        self.accuracy = accuracy
        self._tensors = tensors
        self._network = _restore(name, shape, n_classes, tensors)
        self.digest = self._digest()

    @classmethod
    def fit(
        cls,
        X: Any,
        y: Any = None,
        name: Name | None = None,
        *,
        max_epochs: int | None = None,
        random_state: int = 0,
    ) -> Extractor:
        """Fit an extractor on training data.

        Parameters
        ----------
        X : ndarray or Rows of shape (n, d), (n, H, W) or (n, H, W, C)
            Training data; of more than 20,000 rows, as many at random.
        y : array-like of shape (n,), optional
            Class of every row, numbers or names.
        name : str, optional
            ``"classifier"``: the last hidden layer, 64 wide, of a small network that learns to tell the classes apart,
            convolutional for pictures. ``"pca-64"``: scores along the 64 leading principal components, or as many as
            there are. ``"pixels"``: the values themselves. By default the classifier if there are labels, else the
            components. All see pictures less their mean over the standard deviation of all pixels, and tables with
            each column standardised.
        max_epochs : int, optional
            Passes through the data that the classifier is trained for; by default 15, or as many as make 500 steps.
        random_state : int
            Seed of the rows, the weights and the batches.

        Raises
        ------
        ParameterError
            An unknown name, or a classifier without labels.
        DataError
            Too few rows, or labels that do not fit them.
        """
        name = name or ("pca-64" if y is None else "classifier")
        if name not in get_args(Name):
            raise ParameterError(f"unknown extractor {name!r}; choose from {', '.join(get_args(Name))}")
        if name == "classifier" and y is None:
            raise ParameterError("the extractor 'classifier' learns from labels, and there are none; use 'pca-64'")
        if max_epochs is not None and max_epochs < 1:
            raise ParameterError(f"max_epochs must be at least 1, got {max_epochs}")
        X = X if isinstance(X, Rows) else np.asarray(X)
        if X.ndim not in (2, 3, 4) or len(X) < 2:
            raise DataError(f"an extractor is fitted on at least two samples (n, *shape), and X has shape {X.shape}")
        chosen = some_rows(len(X), _MOST_ROWS, random_state)
        rows = torch.from_numpy(np.asarray(X[chosen], dtype=np.float32))
        tensors = _scaling(rows)
        scaled = (rows - tensors["shift"]) / tensors["scale"]
        shape = tuple(int(side) for side in rows.shape[1:])
        if name == "classifier":
            classes = _class_numbers(y, len(X))[chosen]
            n_classes = int(classes.max()) + 1
            network, accuracy = train_classifier(scaled, torch.from_numpy(classes), n_classes, max_epochs, random_state)
            return cls(name, shape, tensors | _plain(network.state_dict()), n_classes, accuracy)
        if name == "pca-64":
            tensors["components"] = _components(scaled.flatten(1))
        return cls(name, shape, tensors)

    @property
    def label(self) -> str:
        """Name and the start of the digest: two results may be compared if theirs are equal."""
        return f"{self.name} {self.digest[:12]}"

    @torch.no_grad()
    def features(self, X: AnyRows) -> np.ndarray:
        """Features of samples (n, *shape), of shape (n, width), float64."""
        if tuple(X.shape[1:]) != self.shape:
            raise DataError(
                f"the extractor was fitted on samples of shape {self.shape}, and these have {tuple(X.shape[1:])}"
            )
        shift, scale = self._tensors["shift"], self._tensors["scale"]
        found = []
        for chunk in chunks(X, _BATCH):
            rows = torch.from_numpy(np.array(chunk, dtype=np.float32))
            found.append(self._network((rows - shift) / scale).double().numpy())
        return np.concatenate(found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``extractor.json`` and ``extractor.safetensors`` into a folder."""
        folder = Path(path)
        write_tensors(folder / _WEIGHTS, self._tensors)
        write_json(folder / _CONFIG, {**self._config(), "accuracy": self.accuracy, "digest": self.digest})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Extractor:
        """Read what `save` wrote; nothing in it is executed, and weights that do not match their digest are refused.

        Raises
        ------
        RunError
            There is none, or it is damaged.
        """
        folder = Path(path)
        config = read_json(folder / _CONFIG)
        try:
            name, shape, n_classes = config["name"], tuple(config["shape"]), config["n_classes"]
            accuracy, digest = config["accuracy"], config["digest"]
        except (KeyError, TypeError):
            raise RunError(f"{folder / _CONFIG} is damaged: it does not describe an extractor") from None
        sides = (1 <= len(shape) <= 3 and all(type(side) is int and side > 0 for side in shape)) and math.prod(shape)
        if name not in get_args(Name) or not 0 < sides <= _MOST_VALUES:
            raise RunError(f"{folder / _CONFIG} is damaged: it does not describe an extractor")
        if type(n_classes) is not int or not 0 <= n_classes <= _MOST_CLASSES:
            raise RunError(f"{folder / _CONFIG} declares {str(n_classes)[:40]} classes")
        tensors, _ = read_tensors(folder / _WEIGHTS)
        found = cls(name, shape, tensors, n_classes, accuracy)
        if found.digest != digest:
            raise RunError(f"the extractor in {folder} is damaged: its weights do not match their digest")
        return found

    def _config(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "n_classes": self.n_classes}

    def _digest(self) -> str:
        """SHA-256 of the kind, the shape, and every weight."""
        digest = hashlib.sha256(json.dumps(self._config(), sort_keys=True).encode())
        for key, tensor in sorted(self._tensors.items()):
            digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"Extractor({self.label!r}, shape={self.shape})"


def some_rows(n: int, most: int, seed: int) -> np.ndarray:
    """Numbers of at most so many of n rows, chosen at random, in ascending order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.RandomState(seed).permutation(n)[:most])


def _scaling(rows: Tensor) -> dict[str, Tensor]:
    """Mean and spread: of each column of a table; of pictures the mean picture, and one spread for all pixels."""
    shift, spread = rows.double().mean(0), rows.double().std(0, correction=0)
    if rows.ndim > 2:
        spread = spread.square().mean().sqrt().reshape(())
    return {"shift": shift.float(), "scale": torch.where(spread > 0, spread, 1.0).float()}


def _components(scaled: Tensor) -> Tensor:
    """Leading principal axes of rows (n, d), of shape (k, d) with k at most 64."""
    from isthmus.principal import leading

    found = leading(scaled.numpy(), min(WIDTH, len(scaled) - 1, scaled.shape[1]))
    return torch.from_numpy(np.asarray(found.components, dtype=np.float32))


def _class_numbers(y: Any, n: int) -> np.ndarray:
    classes, numbers = np.unique(check_classes(y, n), return_inverse=True)
    if len(classes) < 2:
        raise DataError("all rows are of one class, so there is nothing for a classifier to tell apart")
    return numbers.astype(np.int64)


def _plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{key}": tensor.detach().clone() for key, tensor in state.items()}


class _Project(nn.Module):
    """Scores along components (k, d)."""

    def __init__(self, components: Tensor) -> None:
        super().__init__()
        self.components = components

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.components.T


def _restore(name: Name, shape: tuple[int, ...], n_classes: int, tensors: dict[str, Tensor]) -> nn.Module:
    """Network from scaled samples to features, with these weights; a `RunError` if they are not its own."""
    picture, n_values = len(shape) > 1, math.prod(shape)
    expected, network = {"shift": shape, "scale": () if picture else shape}, None
    if name == "classifier":
        with torch.device("meta"):
            network = make_classifier(shape, n_classes)
        expected |= {f"network.{key}": tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    elif name == "pca-64":
        components = tensors.get("components", torch.empty(0))
        expected["components"] = (min(max(1, len(components)), WIDTH), n_values)
    if {key: tuple(tensor.shape) for key, tensor in tensors.items()} != expected or any(
        tensor.dtype != torch.float32 for tensor in tensors.values()
    ):
        raise RunError(f"the weights of an extractor {name!r} for samples of shape {shape} are not what they should be")
    if network is not None:
        state = {key.removeprefix("network."): t for key, t in tensors.items() if key.startswith("network.")}
        network.load_state_dict(state, assign=True)
        return network[:-1].eval().requires_grad_(False)
    return _Project(tensors["components"]) if name == "pca-64" else nn.Flatten()
