"""The von Mises–Fisher distribution: against SciPy, Bessel functions, and its closed form on a ball."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from isthmus.bottlenecks.von_mises_fisher import Angle, VonMisesFisher, log_area
from isthmus.priors import UniformSphere
from isthmus.terms import kl_closed


def von_mises_fisher(dim, kappa, n=1):
    direction = torch.nn.functional.normalize(torch.randn(n, dim, dtype=torch.float64), dim=-1)
    return VonMisesFisher(direction, torch.full((n,), kappa, dtype=torch.float64))


every_sphere = pytest.mark.parametrize("dim", [2, 3, 4, 7, 40])
every_kappa = pytest.mark.parametrize("kappa", [0.5, 1.0, 8.0, 100.0, 1e5])


@every_sphere
@every_kappa
def test_density_on_the_sphere_is_scipys(dim, kappa):
    torch.manual_seed(0)
    q = von_mises_fisher(dim, kappa)
    points = torch.nn.functional.normalize(torch.randn(20, 1, dim, dtype=torch.float64) + q.direction, dim=-1)
    expected = stats.vonmises_fisher(q.direction[0].numpy(), kappa).logpdf(points[:, 0].numpy())
    np.testing.assert_allclose(q.log_prob(points)[:, 0], expected, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(q.log_prob_of_each(points[:, 0])[:, 0], expected, rtol=1e-7, atol=1e-6)


@every_sphere
@every_kappa
def test_resultant_and_divergence_are_those_of_bessel_functions(dim, kappa):
    q = von_mises_fisher(dim, kappa)
    prior = UniformSphere()
    prior.setup(dim)
    order = dim / 2 - 1
    bessel = special.ive(order, kappa)
    resultant = special.ive(order + 1, kappa) / bessel
    log_c = order * math.log(kappa) - dim / 2 * math.log(2 * math.pi) - math.log(bessel) - kappa
    assert float(q.resultant) == pytest.approx(resultant, abs=1e-7)
    expected = kappa * resultant + log_c + log_area(dim)
    assert float(kl_closed(q, prior())) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@every_sphere
@every_kappa
def test_draws_on_the_sphere_have_the_length_and_spread_of_theory(dim, kappa):
    torch.manual_seed(1)
    q = von_mises_fisher(dim, kappa)
    z = q.from_noise(torch.randn(20_000, 1, dim + 1, dtype=torch.float64))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones_like(z[..., 0]))
    along = (z @ q.direction.T)[:, 0, 0]
    assert float(along.mean()) == pytest.approx(float(q.resultant), abs=5 * float(along.std()) / 20_000**0.5)
    np.testing.assert_allclose(z[:, 0].std(0), q.stddev[0], rtol=0.05)
    # Monte Carlo agrees with the closed form.
    prior = UniformSphere()
    prior.setup(dim)
    difference = q.log_prob(z) - prior().log_prob(z)
    closed = kl_closed(q, prior())
    assert closed is not None
    error = float(difference.std()) / 20_000**0.5
    assert float(difference.mean()) == pytest.approx(float(closed), abs=6 * error + 1e-6)


def test_the_angle_on_a_ball_is_its_closed_form():
    """In three dimensions w = cos θ has the quantile 1 + log(u + (1 − u) e^{−2κ}) / κ."""
    kappa = torch.tensor([0.5, 4.0, 60.0], dtype=torch.float64)
    u = torch.linspace(0.001, 0.999, 101, dtype=torch.float64)[:, None]
    w = Angle(kappa, 3).quantile((1 - u).expand(-1, 3)).cos()
    expected = 1 + (u + (1 - u) * (-2 * kappa).exp()).log() / kappa
    torch.testing.assert_close(w, expected, rtol=0, atol=2e-6)


@every_sphere
def test_the_gradient_of_a_draw_is_that_of_its_quantile(dim):
    u = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)[:, None]
    kappa = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    for i in range(len(u)):
        (slope,) = torch.autograd.grad(Angle(kappa, dim).quantile(u)[i].sum(), kappa)
        with torch.no_grad():
            above, below = (Angle(kappa + step, dim).quantile(u)[i] for step in (1e-4, -1e-4))
        assert float(slope) == pytest.approx(float(above - below) / 2e-4, rel=1e-3, abs=1e-5)
