"""Run folders: what is saved comes back bit for bit, and nothing that a folder may hold does any harm."""

import functools
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import isthmus
from isthmus import VAE, Autoencoder, IsthmusError, RunError, Trainer
from isthmus.core import named_parts
from isthmus.likelihoods import LaplaceLikelihood, Likelihood
from isthmus.networks import MLP, Conv
from isthmus.runs import HISTORY, PARAMS, WEIGHTS, write_run

VARIANTS = list(isthmus.models().values())
variants = pytest.mark.parametrize("cls", VARIANTS, ids=lambda cls: cls.name)
FILES = (PARAMS, WEIGHTS, HISTORY)

_rng = np.random.default_rng(0)
TABLE = _rng.normal(size=(60, 6)) @ _rng.normal(size=(6, 6))
PICTURES = _rng.integers(0, 256, (40, 8, 7), dtype=np.uint8)
FRAME = pd.DataFrame(TABLE.astype(np.float32), columns=["a", "b", "naïve", "d/e", "../f", "g h"])
ONE_LINE = r"^[^\n]{1,500}$"
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def one_thread():
    """A sum over other threads has other roundings; so has another process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parts(cls) -> dict[str, Any]:
    """Objects as parameters, as far as the variant leaves its parts free."""
    chosen: dict[str, Any] = {"trainer": Trainer(batch_size=16, learning_rate=1e-2, validation_fraction=0.2)}
    if "network" not in cls().recipe():
        chosen["network"] = MLP(hidden=(8, 5), activation="tanh", norm="batch", dropout=0.25)
        chosen["likelihood"] = LaplaceLikelihood(scale="per_feature")
    return chosen


CASES: dict[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
    "table": (TABLE, lambda cls: {}),
    "frame": (FRAME, lambda cls: {"random_state": np.random.RandomState(0)}),
    "pictures": (PICTURES, lambda cls: {} if "network" in cls().recipe() else {"network": Conv(channels=(3, 4))}),
    "flat": (PICTURES.reshape(40, -1), lambda cls: {"image_shape": (8, 7)}),
    "objects": (TABLE, parts),
}


@functools.cache
def fitted(cls, case: str = "table"):
    X, options = CASES[case]
    params = {"latent_dim": 2, "max_epochs": 2, "random_state": 0, **options(cls)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", isthmus.CollapseWarning)
        return cls(**params).fit(X)


@pytest.fixture
def run(tmp_path) -> Path:
    fitted(VAE).save(tmp_path / "run")
    return tmp_path / "run"


def outputs(estimator, X) -> dict[str, np.ndarray]:
    return {
        "codes": estimator.transform(X),
        "reconstruction": estimator.reconstruct(X),
        "scores": estimator.score_samples(X),
        "samples": estimator.sample(3, random_state=0),
    }


def words(estimator) -> dict[str, Any]:
    """Everything of an estimator that is not an array."""
    params = {name: repr(value) for name, value in estimator.get_params().items()}
    if isinstance(estimator.random_state, np.random.RandomState):
        params["random_state"] = "None"
    return {
        "params": params,
        "history": estimator.history_,
        "description": estimator.describe(),
        "fitted": [estimator.n_features_in_, estimator.best_epoch_, estimator.active_units_],
        "names_in": [str(name) for name in getattr(estimator, "feature_names_in_", ())],
        "names_out": list(estimator.get_feature_names_out()),
    }


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert array.dtype == second[name].dtype
        assert array.tobytes() == second[name].tobytes(), name


# ---------------------------------------------------------------- what is saved comes back


@variants
@pytest.mark.parametrize("case", CASES)
def test_round_trip(cls, case, tmp_path):
    estimator, X = fitted(cls, case), CASES[case][0]
    estimator.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    assert type(loaded) is cls
    assert words(loaded) == words(estimator)
    assert_same(outputs(loaded, X), outputs(estimator, X))
    assert not loaded.module_.training


@pytest.mark.filterwarnings("ignore::isthmus.errors.CollapseWarning")
@pytest.mark.parametrize("name", named_parts(Likelihood))
@pytest.mark.parametrize("kind", ["counts", "one_hot", "unit"])
def test_round_trip_of_likelihoods(name, kind, tmp_path):
    X = {"counts": _rng.poisson(2, (50, 5)), "one_hot": np.eye(5)[np.arange(50) % 5], "unit": _rng.random((50, 5))}[
        kind
    ]
    estimator = VAE(2, likelihood=name, max_epochs=1, random_state=0)
    try:
        estimator.fit(X)
    except isthmus.DataError:
        pytest.skip("not the support of this likelihood")
    estimator.save(tmp_path / "run")
    assert_same(outputs(isthmus.load(tmp_path / "run"), X), outputs(estimator, X))


_FRESH = """
import sys, json, numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import isthmus, test_runs
for name in sys.argv[3:]:
    loaded = isthmus.load(f"{sys.argv[2]}/{name}")
    X = test_runs.CASES[name.split("-")[1]][0]
    np.savez(f"{sys.argv[2]}/{name}.npz", words=json.dumps(test_runs.words(loaded)), **test_runs.outputs(loaded, X))
"""


def test_round_trip_in_a_fresh_process(tmp_path):
    runs = {f"{cls.name}-{case}": fitted(cls, case) for cls in VARIANTS for case in CASES}
    for name, estimator in runs.items():
        estimator.save(tmp_path / name)
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-W", "error", "-c", _FRESH, here, str(tmp_path), *runs], check=True)
    for name, estimator in runs.items():
        with np.load(tmp_path / f"{name}.npz") as file:
            there = dict(file)
        assert json.loads(str(there.pop("words"))) == json.loads(json.dumps(words(estimator)))
        assert_same(there, outputs(estimator, CASES[name.split("-")[1]][0]))


def test_any_image_shape_that_fits_can_be_saved(tmp_path):
    X = PICTURES.reshape(40, -1)
    estimator = Autoencoder(2, image_shape=np.array([8, 7]), max_epochs=1, random_state=0).fit(X)  # pyright: ignore
    estimator.save(tmp_path / "run")
    assert_same(outputs(isthmus.load(tmp_path / "run"), X), outputs(estimator, X))


def test_many_long_feature_names(tmp_path):
    frame = FRAME.set_axis([f"{name}{'x' * 1_000_000}" for name in "abcdef"], axis=1)
    estimator = Autoencoder(2, max_epochs=1, random_state=0).fit(frame)
    try:
        estimator.save(tmp_path / "run")
    except IsthmusError:
        assert not (tmp_path / "run" / PARAMS).exists()
    else:
        assert_same(outputs(isthmus.load(tmp_path / "run"), frame), outputs(estimator, frame))


def test_a_loaded_model_does_not_hang_on_its_file(run):
    loaded = isthmus.load(run)
    size = (run / WEIGHTS).stat().st_size
    with (run / WEIGHTS).open("r+b") as file:
        file.write(bytes(size))
    assert_same(outputs(loaded, TABLE), outputs(fitted(VAE), TABLE))


def test_a_subclass_does_not_take_the_place_of_its_parent(run):
    before = isthmus.models()
    try:
        type("Custom", (VAE,), {})
        assert isthmus.models()["vae"] is VAE
        isthmus.load(run)
    finally:
        VAE.registry.clear()
        VAE.registry.update(before)


def test_no_pickle(run, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("pickle")

    for module, name in [(pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")]:
        monkeypatch.setattr(module, name, forbidden)
    isthmus.load(run).transform(TABLE)


# ---------------------------------------------------------------- saving loses nothing


@functools.cache
def _other() -> VAE:
    return VAE(2, max_epochs=1, random_state=1).fit(TABLE)


def codes_in(folder: Path) -> bytes:
    return isthmus.load(folder).transform(TABLE).tobytes()


def test_save_does_not_replace_a_run(run):
    before = codes_in(run)
    with pytest.raises(RunError, match="overwrite=True"):
        _other().save(run)
    assert codes_in(run) == before
    _other().save(run, overwrite=True)
    assert codes_in(run) == _other().transform(TABLE).tobytes()
    assert os.listdir(run.parent) == [run.name]


def test_overwriting_spares_what_is_not_of_the_run(run):
    (run / "notes.txt").write_text("mine")
    _other().save(run, overwrite=True)
    assert (run / "notes.txt").read_text() == "mine"


def test_overwriting_spares_a_folder_that_is_no_run(tmp_path):
    (tmp_path / PARAMS).write_text('{"of": "another program"}')
    with pytest.raises(RunError):
        _other().save(tmp_path, overwrite=True)
    assert (tmp_path / PARAMS).read_text() == '{"of": "another program"}'


def test_overwriting_through_a_link(run):
    link = run.parent / "link"
    link.symlink_to(run)
    _other().save(link, overwrite=True)
    assert codes_in(link) == codes_in(run) == _other().transform(TABLE).tobytes()


def test_overwriting_the_current_folder(run, monkeypatch):
    monkeypatch.chdir(run)
    _other().save(".", overwrite=True)
    assert codes_in(run) == _other().transform(TABLE).tobytes()


@pytest.mark.parametrize("overwrite", [False, True])
def test_saving_onto_a_file(tmp_path, overwrite):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(IsthmusError):
        fitted(VAE).save(tmp_path / "file", overwrite=overwrite)
    assert (tmp_path / "file").read_text() == "mine"


_STEPS = [(os, "replace"), (os, "rename"), (os, "fsync"), (os, "chmod"), (os, "unlink"), (os, "rmdir")]


def at_step(number: int, act: Callable[[], Any], patch: pytest.MonkeyPatch) -> None:
    """Act just before the file system's operation with this number."""
    count = iter(range(10_000))

    def wrap(real):
        def wrapped(*args, **kwargs):
            if next(count) == number:
                act()
            return real(*args, **kwargs)

        return wrapped

    for module, name in _STEPS:
        patch.setattr(module, name, wrap(getattr(module, name)))


def fails() -> None:
    raise OSError(28, "No space left on device")


def try_to_save(save: Callable[[], Any], number: int, monkeypatch) -> bool:
    """Save with a disk that fails at one operation; returns whether that was noticed."""
    with monkeypatch.context() as patch:
        at_step(number, fails, patch)
        try:
            save()
        except OSError:
            return True
    return False


def killed(save: Callable[[], Any], number: int) -> bool:
    """Save in a process that dies at one operation; returns whether it died."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of a fork beside threads
        child = os.fork()
    if child == 0:
        at_step(number, lambda: os._exit(9), pytest.MonkeyPatch())
        save()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_failing_disk_leaves_one_whole_run(run, monkeypatch):
    either = {codes_in(run), _other().transform(TABLE).tobytes()}
    number = 0
    while try_to_save(lambda: _other().save(run, overwrite=True), number, monkeypatch):
        assert run.exists(), f"no run is left after a failure at operation {number}"
        assert codes_in(run) in either
        number += 1
    assert number >= 6
    assert os.listdir(run.parent) == [run.name], "failures leave litter"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("in_place", [False, True], ids=["save", "fit --resume"])
def test_a_kill_while_saving_leaves_one_whole_run(run, in_place):
    def save():
        write_run(_other(), run) if in_place else _other().save(run, overwrite=True)

    either = {codes_in(run), _other().transform(TABLE).tobytes()}
    number = 0
    while killed(save, number):
        assert run.exists(), f"no run is left after a kill at operation {number}"
        assert codes_in(run) in either
        number += 1
    assert number >= 6


def test_an_interrupted_first_save_can_be_repeated(tmp_path, monkeypatch):
    number, expected = 0, fitted(VAE).transform(TABLE).tobytes()
    while try_to_save(lambda: fitted(VAE).save(tmp_path / "run"), number, monkeypatch):
        number += 1
        if (tmp_path / "run" / PARAMS).exists():
            assert codes_in(tmp_path / "run") == expected
            shutil.rmtree(tmp_path / "run")
        else:
            with pytest.raises(RunError):
                isthmus.load(tmp_path / "run")
    assert codes_in(tmp_path / "run") == expected


# ---------------------------------------------------------------- damage


def test_not_a_run(tmp_path):
    (tmp_path / "file").write_text("{}")
    (tmp_path / "empty").mkdir()
    for name in ("missing", "file", "empty", "a" * 300, "nul\0nul"):
        with pytest.raises(RunError, match=ONE_LINE):
            isthmus.load(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "loop", "other magic"])
def test_not_a_file(run, name, kind):
    path = run / name
    path.unlink()
    {
        "missing": lambda: None,
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to(path),
        "other magic": lambda: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    }[kind]()
    with pytest.raises(RunError, match=ONE_LINE):
        isthmus.load(run)


@variants
@pytest.mark.parametrize("name", FILES)
def test_truncated_and_flipped(cls, name, tmp_path):
    fitted(cls).save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    draw = np.random.default_rng(1)
    damaged = [whole[: len(whole) * part // 20] for part in range(20)]
    for position in draw.integers(0, len(whole), 40):
        damaged.append(whole[:position] + bytes([whole[position] ^ 1 << int(draw.integers(8))]) + whole[position + 1 :])
    for data in damaged:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RunError, match=ONE_LINE):
            isthmus.load(tmp_path)


# ---------------------------------------------------------------- forgeries


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal(run: Path, params: dict[str, Any]) -> None:
    """Write parameters with checksums that are right, as a forger would."""
    for name in (WEIGHTS, HISTORY):
        size = (run / name).stat().st_size
        known = SPARSE_DIGESTS[name] if size == GIGABYTE else sha256(run / name)
        params["files"][name] = {"bytes": size, "sha256": known}
    rest = {name: value for name, value in params.items() if name != "digest"}
    params["digest"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    (run / PARAMS).write_text(json.dumps(params))


def forge(run: Path, change: Change) -> None:
    params = json.loads((run / PARAMS).read_text())
    change(params)
    seal(run, params)


def test_the_forger_can_seal(run):
    forge(run, lambda p: p.update(model="anything"))
    assert_same(outputs(isthmus.load(run), TABLE), outputs(fitted(VAE), TABLE))


def part(name: Any, **args: Any) -> dict[str, Any]:
    return {"part": name, "args": args}


def network(value: Any) -> Change:
    return lambda p: p["fitted"].update(network=value)


FORGERIES: dict[str, Change] = {
    "class os.system": lambda p: p.update({"class": "os.system"}),
    "class Trainer": lambda p: p.update({"class": "Trainer"}),
    "class BaseAutoencoder": lambda p: p.update({"class": "BaseAutoencoder"}),
    "class ../VAE": lambda p: p.update({"class": "../VAE"}),
    "class list": lambda p: p.update({"class": ["VAE"]}),
    "other class": lambda p: p.update({"class": "Autoencoder"}),
    "no class": lambda p: p.pop("class"),
    "no fitted": lambda p: p.pop("fitted"),
    "format": lambda p: p.update(format=99),
    "unknown parameter": lambda p: p["params"].update(command="id"),
    "parameter of other type": lambda p: p["params"].update(latent_dim={"a": 1}),
    "parameter out of range": lambda p: p["params"].update(beta=-1.0),
    "parameter NaN": lambda p: p["params"].update(beta=float("nan")),
    "trainer of other type": lambda p: p["params"].update(trainer={"trainer": {"learning_rate": "x"}}),
    "trainer argument": lambda p: p["params"].update(trainer={"trainer": {"command": "id"}}),
    "huge shape": lambda p: p["data"].update(shape=[10**12]),
    "long shape": lambda p: p["data"].update(shape=[1] * 10**5),
    "negative shape": lambda p: p["data"].update(shape=[-6]),
    "shape with fraction": lambda p: p["data"].update(shape=[6.0]),
    "no shape": lambda p: p["data"].update(shape=[]),
    "feature count": lambda p: p["data"].update(n_features_in=7),
    "feature names": lambda p: p["data"].update(feature_names=["a"]),
    "dtype": lambda p: p["data"].update(dtype="O"),
    "infinite range": lambda p: p["data"].update(maximum=float("inf")),
    "huge latent_dim": lambda p: p["fitted"].update(latent_dim=10**12),
    "other latent_dim": lambda p: p["fitted"].update(latent_dim=3),
    "negative latent_dim": lambda p: p["fitted"].update(latent_dim=-2),
    "NaN latent_dim": lambda p: p["fitted"].update(latent_dim=float("nan")),
    "unknown part": network(part("os.system", command="id")),
    "part of part": network(part(part("MLP"))),
    "abstract part": network(part("Network")),
    "part of other kind": network(part("KL")),
    "no part": network("mlp"),
    "part with unknown argument": network(part("MLP", command="id")),
    "part with wrong argument": network(part("MLP", hidden="abc")),
    "huge layer": network(part("MLP", hidden=[10**12])),
    "1e6 layers": network(part("MLP", hidden=[1] * 10**6)),
    "huge product": network(part("MLP", hidden=[1 << 39] * 3)),
    "negative layer": network(part("MLP", hidden=[-1])),
    "NaN layer": network(part("MLP", hidden=[float("nan")])),
    "dropout": network(part("MLP", hidden=[64, 64], dropout=7)),
    "empty layer": lambda p: (p["data"].update(shape=[3, 2]), network(part("Conv", channels=[2], width=0))(p)),
    "no channels": lambda p: (p["data"].update(shape=[3, 2]), network(part("Conv", channels=[0]))(p)),
    "scaling": lambda p: p["fitted"].update(scaling="os"),
    "scaling list": lambda p: p["fitted"].update(scaling=[]),
    "scale": lambda p: p["fitted"].update(likelihood=part("GaussianLikelihood", scale=-1)),
    "files": lambda p: p["data"].update(shape=None),
    "epochs": lambda p: p["fitted"].update(best_epoch=10**6),
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_parameters(run, name):
    forge(run, FORGERIES[name])
    with pytest.raises(RunError, match=ONE_LINE):
        isthmus.load(run)


def test_an_error_is_a_sentence(run):
    forge(run, FORGERIES["no class"])
    with pytest.raises(RunError, match=r"class") as caught:
        isthmus.load(run)
    assert "[" not in str(caught.value).replace(str(run), "")


def test_a_model_of_a_device_that_is_not_here_is_loaded(run):
    elsewhere = {**Trainer().get_params(deep=False), "device": "cuda:31"}
    kept = {name: value for name, value in elsewhere.items() if name not in ("callbacks", "resume")}
    forge(run, lambda p: p["params"].update(trainer={"trainer": kept}))
    assert isthmus.load(run).trainer.device == "auto"


TENSORS: dict[str, Change] = {
    "extra": lambda t: t.update({"module/extra": torch.zeros(3)}),
    "extra array": lambda t: t.update({"array/extra": torch.zeros(3)}),
    "other group": lambda t: t.update({"os/system": torch.zeros(3)}),
    "no group": lambda t: t.update({"system": torch.zeros(3)}),
    "path": lambda t: t.update({"module/../../etc/passwd": torch.zeros(3)}),
    "missing": lambda t: t.pop(min(t)),
    "nothing": lambda t: t.clear(),
    "dtype": lambda t: t.update({name: t[name].half() for name in sorted(t)[:1]}),
    "bfloat16": lambda t: t.update({name: t[name].bfloat16() for name in sorted(t)[:1]}),
    "shape": lambda t: t.update({name: t[name][None].clone() for name in sorted(t)[:1]}),
    "empty": lambda t: t.update({sorted(t)[0]: torch.zeros(0)}),
}


@variants
@pytest.mark.parametrize("name", TENSORS)
def test_forged_tensors(cls, name, tmp_path):
    fitted(cls).save(tmp_path)
    tensors = {key: tensor.clone() for key, tensor in load_file(tmp_path / WEIGHTS).items()}
    TENSORS[name](tensors)
    save_file(tensors, tmp_path / WEIGHTS)
    forge(tmp_path, lambda p: None)
    with pytest.raises(RunError, match=ONE_LINE):
        isthmus.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "epoch\n1,2\n", "epoch,a\nx,1\n", "epoch,a\n1,x\n", "a\n1\n", "\0", '"', "epoch\n" + "9" * 200_000, "\udcff"],
    ids=lambda text: repr(text[:20]),
)
def test_forged_history(run, text):
    (run / HISTORY).write_bytes(text.encode(errors="surrogateescape"))
    forge(run, lambda p: None)
    with pytest.raises(RunError, match=ONE_LINE):
        isthmus.load(run)


WRONG = [None, "x", -1.5, [[]]]


def paths(value: Any, path: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else ()
    return [path] * bool(path) + [p for key, item in inner for p in paths(item, (*path, key))]


def harm(run: Path, params: dict[str, Any]) -> str | None:
    """What goes wrong with forged parameters, unless they are refused or do nothing."""
    try:
        seal(run, params)
        loaded = isthmus.load(run)
        outputs(loaded, TABLE[:5])
        words(loaded)
    except IsthmusError:
        return None
    except Exception as error:
        return repr(error)
    return None


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@variants
def test_every_key_with_other_types(cls, tmp_path):
    fitted(cls, "objects").save(tmp_path)
    genuine, harmful = (tmp_path / PARAMS).read_text(), []
    for path in paths(json.loads(genuine)):
        for value in WRONG if path[0] not in ("files", "digest") else ():
            params = json.loads(genuine)
            functools.reduce(lambda inner, key: inner[key], path[:-1], params)[path[-1]] = value
            if wrong := harm(tmp_path, params):
                harmful.append(f"{'.'.join(path)}={value!r}: {wrong}")
    assert not harmful, "\n".join(harmful)


# ---------------------------------------------------------------- time and memory

GIGABYTE = 1 << 30
# Of the files that `make_heavy` makes: a header that declares one huge tensor, then zeros; and zeros alone.
SPARSE_DIGESTS = {
    WEIGHTS: "83d134a128e6cfbcc1ad74fd589c6be26c4e3639cc74fa4c0ed9402a7bb898b7",
    HISTORY: "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14",
}


def shaped(*shape: int, scaling: str = "standard", **parts: Any) -> Change:
    def change(params: dict[str, Any]) -> None:
        params["data"].update(shape=list(shape), n_features_in=1, feature_names=None)
        params["fitted"].update(scaling=scaling, **parts)

    return change


HEAVY: dict[str, Change] = {
    "huge row": shaped(1 << 24),
    "huge scale": shaped(1 << 24, likelihood=part("GaussianLikelihood", scale="per_feature")),
    "huge counts": shaped(1 << 24, scaling="log", likelihood=part("NegativeBinomialLikelihood")),
    "huge picture": shaped(1 << 12, 1 << 12, network=part("Conv", channels=[1 << 20] * 20)),
    "huge code": lambda p: p["fitted"].update(latent_dim=1 << 24),
    "huge layers": network(part("MLP", hidden=[1 << 24] * 1000)),
    "many layers": network(part("MLP", hidden=[1] * 1000, norm="batch", dropout=0.5)),
    "many nested lists": network(part("MLP", hidden=[[1] * 1000] * 1000)),
    "long dtype": lambda p: p["data"].update(dtype="i4," * 10**6),
    "many objects": lambda p: p.update({"class": [{}] * 10**6}),
    "many names": lambda p: p["data"].update(feature_names=[""] * 10**6),
}


def make_heavy(folder: Path) -> list[str]:
    """Write the runs that would cost most; returns their names."""
    for name in [*HEAVY, *(f"sparse {file}" for file in FILES), "deep", "deepest"]:
        fitted(VAE).save(folder / name)
    for name, change in HEAVY.items():
        forge(folder / name, change)
    (folder / "deepest" / PARAMS).write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    (folder / "deep" / PARAMS).write_text('{"a":' + "[" * 900 + "]" * 900 + "}")
    os.truncate(folder / f"sparse {PARAMS}" / PARAMS, GIGABYTE)
    header = b'{"module/huge":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % ((GIGABYTE - 256,) * 2)
    header = (248).to_bytes(8, "little") + header.ljust(248)
    for name, start in ((WEIGHTS, header), (HISTORY, b"")):
        run = folder / f"sparse {name}"
        (run / name).write_bytes(start)
        os.truncate(run / name, GIGABYTE)
        forge(run, lambda params: None)
    return [path.name for path in folder.iterdir()]


_MEASURED = """
import json, os, resource, sys, time
import torch, isthmus
torch.set_num_threads(1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
isthmus.load(sys.argv[1]).describe()
for name in sys.argv[3:]:
    if os.fork() == 0:
        started, before, found = time.process_time(), peak(), "no error"
        try:
            isthmus.load(f"{sys.argv[2]}/{name}")
        except Exception as error:
            found = type(error).__name__
        print(json.dumps([name, found, time.process_time() - started, peak() - before]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_forgeries_cost_little_time_and_memory(run, tmp_path):
    heavy = tmp_path / "heavy"
    names = make_heavy(heavy)
    command = [sys.executable, "-c", _MEASURED, str(run), str(heavy), *names]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.splitlines()
    measured = [json.loads(line) for line in lines]
    assert {name for name, *_ in measured} == set(names)
    costly = [(n, e, s, mb) for n, e, s, mb in measured if e != "RunError" or s > 2 or mb > 200]
    assert not costly, "\n".join(f"{n}: {e} after {s:.1f} s and {mb:.0f} MB" for n, e, s, mb in costly)
