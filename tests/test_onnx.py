"""Models as ONNX files: what they compute elsewhere is what they compute here."""

import numpy as np
import pytest
import torch
from helpers import CASES
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from torch import nn

import isthmus
from isthmus import VAE, Autoencoder, DenoisingAutoencoder, ExportError, MissingExtraError, SparseAutoencoder
from isthmus.core import Part, named_parts
from isthmus.engines.settings import RUNTIME, has_onnx
from isthmus.likelihoods import Likelihood
from isthmus.networks import Linear
from isthmus.onnx import to_onnx

pytestmark = pytest.mark.skipif(not has_onnx((*RUNTIME, "onnxscript")), reason="needs the extra onnx")

PICTURES = load_digits().images[:150].astype(np.uint8)
TABLE = load_iris().data
WIDE = np.tile(PICTURES.reshape(-1, 64), (1, 4)).astype(np.float32)


def check(model, X, folder):
    """Both files, for one row and for many, against the model."""
    import onnxruntime

    written = model.to_onnx(folder)
    assert 0 <= written.error <= 1e-5
    assert sorted(path.name for path in folder.iterdir()) == ["decoder.onnx", "encoder.onnx"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    encoder, decoder = (
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for path in (written.encoder, written.decoder)
    )
    codes = model.transform(X)
    assert written.spread == hasattr(model, "posterior")
    assert [output.name for output in encoder.get_outputs()] == (["code", "std"] if written.spread else ["code"])
    for rows in (slice(0, 1), slice(0, 37), slice(None)):
        (found,) = encoder.run(["code"], {"x": X[rows]})
        np.testing.assert_allclose(found, codes[rows], rtol=0, atol=2e-5 * np.abs(codes).max())
        if written.spread:
            (found,) = encoder.run(["std"], {"x": X[rows]})
            std = model.posterior(X[rows]).std
            np.testing.assert_allclose(found, std, rtol=0, atol=2e-5 * std.max())
        (back,) = decoder.run(["x"], {"code": codes[rows]})
        expected = model.inverse_transform(codes[rows])
        assert back.dtype == expected.dtype
        np.testing.assert_allclose(back, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


CASE = {
    "pictures": (VAE(3, network="conv"), PICTURES),
    "flat pictures": (Autoencoder(3, network="conv_pool", image_shape=(8, 8)), PICTURES.reshape(-1, 64)),
    "gathered atoms": (SparseAutoencoder(256, sparsity="topk", n_active=1), WIDE),
    "skip connections": (DenoisingAutoencoder(network="unet"), PICTURES[:, :7]),
}


@pytest.mark.parametrize("case", CASE)
def test_files_compute_what_the_model_does(case, tmp_path, capfd):
    model, X = CASE[case]
    check(model.set_params(max_epochs=1, random_state=0).fit(X), X, tmp_path / "new" / "folder")
    assert capfd.readouterr() == ("", "")


def test_parts_are_known_as_before_once_a_model_was_written(tmp_path):
    before = dict(Part.kinds)
    model = isthmus.ConditionalVAE(2, max_epochs=1, random_state=0).fit(TABLE)
    check(model, TABLE, tmp_path)
    assert Part.kinds == before
    assert "gaussian" in named_parts(Likelihood)


@pytest.mark.slow
@pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
@pytest.mark.parametrize("X", [PICTURES, TABLE], ids=["pictures", "table"])
def test_every_model_can_be_written(cls, X, tmp_path):
    check(cls(latent_dim=2, max_epochs=1, random_state=0).fit(X), X, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("sparsity", ["topk", "batch_topk", "matryoshka", "jumprelu", "gated", "l1", "kl"])
def test_every_sparse_code_can_be_written(sparsity, tmp_path):
    check(SparseAutoencoder(80, sparsity=sparsity, max_epochs=1, random_state=0).fit(PICTURES), PICTURES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", CASES)
def test_every_likelihood_can_be_written(likelihood, tmp_path):
    X = CASES[likelihood].training_data((6,))
    check(VAE(2, likelihood=likelihood, max_epochs=1, random_state=0).fit(X), X, tmp_path)


class Undecided(nn.Module):
    """Does one thing or another, by the data."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class Fixed(nn.Module):
    """Has its number of rows written into it."""

    def forward(self, x):
        return x.reshape(len(x), -1) + torch.zeros(len(x), 1)


class Unknown(nn.Module):
    """Is in ONNX, and not in ONNX Runtime."""

    def forward(self, x):
        return x.double().acos().float()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Undecided(), "the encoder of this model has no form in ONNX: what it does depends on the values"),
        (Fixed(), "for any number of rows"),
        (Unknown(), "ONNX Runtime cannot run the graph of the encoder: "),
    ],
    ids=["undecided", "fixed", "unknown"],
)
def test_what_has_no_form_in_onnx_is_refused_in_one_line(layer, message, tmp_path):
    model = Autoencoder(2, network=Linear(), max_epochs=1, random_state=0).fit(TABLE)
    model.module_.network.encoder.append(layer)
    with pytest.raises(ExportError, match=message) as error:
        model.to_onnx(tmp_path)
    assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_spread_without_a_form_in_onnx_leaves_the_code(tmp_path, monkeypatch):
    model = VAE(2, network=Linear(), max_epochs=1, random_state=0).fit(TABLE)
    posterior = type(model.module_.bottleneck).posterior
    monkeypatch.setattr(
        type(model.module_.bottleneck), "posterior", lambda self, h: posterior(self, h if h.sum() > 0 else -h)
    )
    written = model.to_onnx(tmp_path)
    assert not written.spread
    assert written.error <= 1e-5


def test_a_file_that_would_be_wrong_is_not_written(tmp_path, monkeypatch):
    model = VAE(2, network=Linear(), max_epochs=1, random_state=0).fit(TABLE)
    monkeypatch.setattr("isthmus.onnx._TOLERANCE", -1.0)
    with pytest.raises(ExportError, match=r"the graph of the encoder differs from the model by \S+ of the largest"):
        model.to_onnx(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_two_gigabytes_are_refused(tmp_path, monkeypatch):
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(TABLE)
    monkeypatch.setattr("isthmus.onnx._MOST_BYTES", 1000)
    with pytest.raises(ExportError, match=r"the encoder has [\d,]+ bytes of weights, and an ONNX file holds less"):
        model.to_onnx(tmp_path)


def test_a_model_has_to_be_fitted_and_the_extra_be_there(tmp_path, monkeypatch):
    with pytest.raises(NotFittedError):
        VAE().to_onnx(tmp_path)
    monkeypatch.setattr("isthmus.engines.settings.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isthmus\[onnx\]'"):
        to_onnx(VAE(2, max_epochs=1).fit(TABLE), tmp_path)
