"""The same values and gradients as the peers, where the peers are right."""

import math

import numpy as np
import pytest

from nearfar import losses

torch = pytest.importorskip("torch")
peers = pytest.importorskip("pytorch_metric_learning.losses")
reducers = pytest.importorskip("pytorch_metric_learning.reducers")

GENERATOR = np.random.default_rng(0)
LABELS = torch.as_tensor([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
X = GENERATOR.normal(size=(10, 6))
PROXIES = GENERATOR.normal(size=(5, 6))
CENTRES = GENERATOR.normal(size=(5, 3, 6))


def tensors(*arrays):
    return [torch.tensor(x, requires_grad=True) for x in arrays]


def assert_same(ours, theirs, *leaves, factor=1.0):
    """Equal values and gradients of two functions of the same tensors."""
    values, gradients = [], []
    for function in (ours, theirs):
        value = function()
        values.append(value)
        gradients.append(torch.autograd.grad(value, leaves))
    torch.testing.assert_close(values[0], factor * values[1], rtol=1e-8, atol=0)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, factor * b, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: losses.nt_xent_loss(x, LABELS, temperature=0.3), peers.NTXentLoss(temperature=0.3)),
        (lambda x: losses.supcon_loss(x, LABELS, temperature=0.3), peers.SupConLoss(temperature=0.3)),
        (
            lambda x: losses.nca_loss(torch.nn.functional.normalize(x), LABELS, temperature=0.25),
            peers.NCALoss(softmax_scale=4),
        ),
    ],
)
def test_losses_of_the_batch(ours, theirs):
    (x,) = tensors(X)
    assert_same(lambda: ours(x), lambda: theirs(x, LABELS), x)


def test_hard_pairs_at_low_temperatures_have_a_slope_where_the_peer_has_none():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.01], [-1.0, 0.01]], requires_grad=True)
    labels = torch.as_tensor([0, 0, 1, 1])  # positives are opposite, negatives nearly equal
    loss = losses.nt_xent_loss(x, labels, temperature=0.01)
    torch.testing.assert_close(loss.detach(), torch.tensor(200.0), rtol=1e-3, atol=0)  # (1 + 1) / 0.01
    assert torch.autograd.grad(loss, x)[0].abs().max() > 0.1
    saturated = peers.NTXentLoss(temperature=0.01)(x, labels)
    assert saturated < 90  # a bug of version 2.9: log(p + tiny)
    assert not torch.autograd.grad(saturated, x)[0].any()


def with_weights(peer, proxies, transposed=True):
    """A peer whose learnable tensor is ours."""
    name = next(name for name, _ in peer.named_parameters())
    delattr(peer, name)
    setattr(peer, name, proxies.T if transposed else proxies)
    return peer


@pytest.mark.parametrize(
    ("ours", "theirs", "transposed"),
    [
        ("normalized_softmax_loss", lambda: peers.NormalizedSoftmaxLoss(5, 6, temperature=0.05), True),
        ("cosface_loss", lambda: peers.CosFaceLoss(5, 6, margin=0.35, scale=64), True),
        ("arcface_loss", lambda: peers.ArcFaceLoss(5, 6, margin=math.degrees(0.5), scale=64), True),
        ("proxy_anchor_loss", lambda: peers.ProxyAnchorLoss(5, 6, margin=0.1, alpha=32), False),
        ("proxy_nca_plus_plus_loss", lambda: peers.ProxyNCALoss(5, 6, softmax_scale=9), False),
        ("sphereface_loss", lambda: peers.SphereFaceLoss(5, 6, margin=4, scale=1), True),
        ("large_margin_softmax_loss", lambda: peers.LargeMarginSoftmaxLoss(5, 6, margin=4, scale=1), True),
    ],
)
def test_losses_of_proxies(ours, theirs, transposed):
    x, proxies = tensors(X, PROXIES)
    peer = with_weights(theirs(), proxies, transposed)
    assert_same(
        lambda: getattr(losses, ours)(x, LABELS, proxies=proxies), lambda: peer(x, LABELS), x, proxies
    )


def test_arcface_where_the_angle_would_pass_pi():
    x, proxies = tensors(X, PROXIES)
    peer = with_weights(peers.ArcFaceLoss(5, 6, margin=math.degrees(1.5), scale=8), proxies)
    cosines = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(proxies).T
    assert (torch.arccos(cosines[range(10), LABELS]) + 1.5 > math.pi).any()
    assert_same(
        lambda: losses.arcface_loss(x, LABELS, proxies=proxies, margin=1.5, scale=8.0),
        lambda: peer(x, LABELS),
        x,
        proxies,
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("soft_triple_loss", lambda: peers.SoftTripleLoss(5, 6, centers_per_class=3)),
        (
            "sub_center_arcface_loss",
            lambda: peers.SubCenterArcFaceLoss(
                num_classes=5, embedding_size=6, margin=math.degrees(0.5), sub_centers=3
            ),
        ),
    ],
)
def test_losses_of_several_centres(ours, theirs):
    x, centres = tensors(X, CENTRES)
    peer = with_weights(theirs(), centres.reshape(-1, 6))
    assert_same(
        lambda: getattr(losses, ours)(x, LABELS, proxies=centres), lambda: peer(x, LABELS), x, centres
    )


def test_p2sgrad_is_the_peers_up_to_its_mean_over_classes():
    x, proxies = tensors(X, PROXIES)
    peer = peers.P2SGradLoss(6, 5)
    unit = torch.nn.functional.normalize(proxies.detach())
    peer.weight.data = unit.T.clone()
    (ours,) = torch.autograd.grad(losses.p2sgrad_loss(x, LABELS, proxies=proxies), x)
    (theirs,) = torch.autograd.grad(peer(x, LABELS), x)
    torch.testing.assert_close(ours, 5 / 2 * theirs, rtol=1e-5, atol=1e-9)


def test_vicreg_is_the_peers_with_twice_its_variance():
    x, y = tensors(0.3 * X, 0.3 * X[::-1].copy())
    peer = peers.VICRegLoss(invariance_lambda=25, variance_mu=50, covariance_v=1)
    assert_same(lambda: losses.vicreg_loss(x, y), lambda: peer(x, ref_emb=y), x, y)


def test_proxy_nca_is_not_the_peers():
    # the paper leaves the own proxy out of the denominator: log(exp(-0) / exp(-2)) for two orthogonal proxies
    x, proxies = torch.eye(2), torch.eye(2)
    labels = torch.arange(2)
    peer = with_weights(peers.ProxyNCALoss(2, 2), proxies, transposed=False)
    torch.testing.assert_close(losses.proxy_nca_loss(x, labels, proxies=proxies), torch.tensor(-2.0))
    torch.testing.assert_close(peer(x, labels), torch.tensor(math.log(1 + math.exp(-2))))


def test_proxy_nca_is_the_peers_with_its_own_proxy_left_out():
    # theirs is t = -log(e / (e + rest)), the paper's -log(e / rest) = t + log(1 - exp(-t))
    x, proxies = tensors(X, PROXIES)
    peer = with_weights(
        peers.ProxyNCALoss(5, 6, reducer=reducers.DoNothingReducer()), proxies, transposed=False
    )

    def theirs():
        terms = peer(x, LABELS)["loss"]["losses"]
        return (terms + torch.log1p(-torch.exp(-terms))).mean()

    assert_same(lambda: losses.proxy_nca_loss(x, LABELS, proxies=proxies), theirs, x, proxies)


def test_adaface_of_rows_of_one_length_is_cosface():
    x, proxies = tensors(3 * X / np.linalg.norm(X, axis=1, keepdims=True), PROXIES)
    peer = with_weights(peers.CosFaceLoss(5, 6, margin=0.4, scale=64), proxies)
    assert_same(lambda: losses.adaface_loss(x, LABELS, proxies=proxies), lambda: peer(x, LABELS), x, proxies)


def test_magface_of_one_margin_without_reward_is_arcface():
    x, proxies = tensors(20 * X, PROXIES)
    peer = with_weights(peers.ArcFaceLoss(5, 6, margin=math.degrees(0.45), scale=64), proxies)
    options = {"margins": (0.45, 0.45), "length_weight": 0.0}
    assert_same(
        lambda: losses.magface_loss(x, LABELS, proxies=proxies, **options),
        lambda: peer(x, LABELS),
        x,
        proxies,
    )


def test_instance_loss_does_not_depend_on_the_order_as_the_peers_does():
    (x,) = tensors(X)
    order = torch.as_tensor([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    peer = peers.InstanceLoss()
    assert abs(peer(x[order], LABELS[order]) - peer(x, LABELS)) > 0.1  # a bug of version 2.9
    proxies = torch.as_tensor(PROXIES)
    ours = losses.instance_loss(x[order], LABELS[order], proxies=proxies)
    torch.testing.assert_close(ours, losses.instance_loss(x, LABELS, proxies=proxies))


def test_ranking_equals_sentence_transformers():
    module = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    x, y = tensors(X, GENERATOR.normal(size=(10, 6)))
    peer = module.MultipleNegativesRankingLoss(model=None, scale=20.0)
    assert_same(
        lambda: losses.multiple_negatives_ranking_loss(x, y),
        lambda: peer.compute_loss_from_embeddings([x, y], None),
        x,
        y,
    )


def test_symmetric_ranking_is_clips():
    x, y = tensors(X, GENERATOR.normal(size=(10, 6)))
    scale = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)

    def clip():
        logits = scale * torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T
        rows = torch.arange(10)
        return (
            torch.nn.functional.cross_entropy(logits, rows)
            + torch.nn.functional.cross_entropy(logits.T, rows)
        ) / 2

    assert_same(
        lambda: losses.multiple_negatives_ranking_loss(x, y, scale=scale, symmetric=True), clip, x, y, scale
    )


def test_nt_xent_equals_optax():
    optax = pytest.importorskip("optax")
    jnp = pytest.importorskip("jax.numpy")
    x, labels = (
        jnp.asarray(X),
        jnp.asarray(np.tile(np.arange(5), 2)),
    )  # two views; optax gives NaN without positives
    ours = losses.nt_xent_loss(x, labels, temperature=0.07)
    np.testing.assert_allclose(ours, optax.losses.ntxent(x, labels, temperature=0.07), rtol=1e-6)
