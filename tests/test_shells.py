"""The classes made of the loss functions for torch, Keras and JAX."""

import copy
import inspect
import pickle

import keras_checks
import numpy as np
import pytest

from nearfar import _shells, losses
from nearfar.backends import Tensor, backend_of

CLASSES, SIZE = 4, 6
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 3])
X = np.random.default_rng(0).normal(size=(len(LABELS), SIZE)).astype(np.float32)
SIZES = {"num_classes": CLASSES, "embedding_size": SIZE}
LOSSES = _shells.losses_by_class()
LABELLED = [name for name, loss in LOSSES.items() if loss.inputs == ("embeddings", "labels")]
every_class = pytest.mark.parametrize("name", LOSSES)


def own_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    weight: Tensor,
    shift: float | Tensor = 0.5,
    times: int,
    extra: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """A loss of one's own.

    Args:
        embeddings: `(a, d)`.
        labels: `(a,)`.
        weight: `(d, classes)`, learnable.
        shift: a number.
        times: how often.
        extra: `(a,)`, added.
        reduction: unused.
    """
    xp = backend_of(embeddings)
    return times * (xp.sum(embeddings @ weight) + shift) + (0 if extra is None else xp.sum(extra))


def sizes(name):
    return {size: SIZES[size] for size in LOSSES[name].settings if size in SIZES}


class TestSignatures:
    def test_a_function_is_taken_apart(self):
        loss = _shells.loss_of(own_loss)
        assert (loss.name, loss.inputs, loss.tensors) == ("OwnLoss", ("embeddings", "labels"), ("extra",))
        assert loss.shapes == {"weight": ("embedding_size", "num_classes")}
        assert loss.learnable == ("shift",)
        assert list(loss.options) == ["shift", "times", "reduction"]
        assert list(loss.settings) == [
            *("num_classes", "embedding_size", "shift", "times", "reduction", "weight", "learn")
        ]

    def test_names_are_the_fields(self):
        names = {
            "triplet_loss": "TripletLoss",
            "supcon_loss": "SupConLoss",
            "proxy_nca_loss": "ProxyNCALoss",
            "nt_xent_loss": "NTXentLoss",
        }
        assert {function: _shells.class_name(function) for function in names} == names

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"tmes": 1}, TypeError, "no option 'tmes'; did you mean times?"),
            ({"colour": 1}, TypeError, "expected num_classes, embedding_size, shift, times"),
            ({"num_classes": 2}, TypeError, "without embedding_size and times"),
            ({"num_classes": 0, "embedding_size": 1, "times": 1}, ValueError, "num_classes is 0"),
            ({"num_classes": 2.0, "embedding_size": 1, "times": 1}, ValueError, "num_classes is 2.0"),
            ({**SIZES, "times": 1, "reduction": "avg"}, ValueError, "'avg'"),
            ({**SIZES, "times": 1, "learn": ["shfit"]}, ValueError, "did you mean shift?"),
        ],
    )
    def test_wrong_options_are_told(self, options, error, words):
        with pytest.raises(error, match=words.replace("?", r"\?")):
            _shells.loss_of(own_loss).check(options)

    def test_minings_and_distances_are_checked_at_once(self):
        for name, options in (
            ("TripletLoss", {"mining": "multi_similarity"}),
            ("TripletLoss", {"distance": "l2"}),
        ):
            with pytest.raises(ValueError, match="is not known"):
                LOSSES[name].check(options)
        assert LOSSES["MultiSimilarityLoss"].check({"mining": "multi_similarity"})["alpha"] == 2.0

    @every_class
    def test_documentation_has_every_argument(self, name):
        loss = LOSSES[name]
        document = _shells.documentation(loss, "`loss(...)`")
        for argument in (*loss.settings, *loss.inputs, *loss.tensors):
            assert f"\n    {argument}: " in document, argument
        assert "`(" not in "".join(f"{shape}" for shape in loss.shapes.values())
        known = {"num_classes", "centers_per_class", "embedding_size"}
        assert all(set(shape) <= known and shape for shape in loss.shapes.values())

    @pytest.mark.parametrize("module", ["torch", "jax"])
    def test_every_loss_has_its_class(self, module):
        pytest.importorskip("flax" if module == "jax" else module)
        shell = __import__(f"nearfar.{module}", fromlist=["x"])
        for name, loss in LOSSES.items():
            made = getattr(shell, name)
            assert (made.__name__, made.__module__) == (name, f"nearfar.{module}")
            assert list(inspect.signature(made).parameters)[: len(loss.settings)] == list(loss.settings)
            assert inspect.getdoc(made).splitlines()[0] == inspect.getdoc(loss.function).splitlines()[0]


class TestTorch:
    @pytest.fixture(autouse=True)
    def _modules(self):
        self.torch = pytest.importorskip("torch")
        import nearfar.torch

        self.shell = nearfar.torch
        self.x = self.torch.as_tensor(X).requires_grad_()
        self.labels = self.torch.as_tensor(LABELS)

    def made(self, name, **options):
        loss = getattr(self.shell, name)(**sizes(name), **options)
        return loss, {name: getattr(loss, name) for name in LOSSES[name].shapes}

    @pytest.mark.parametrize("name", LABELLED)
    def test_value_is_the_functions(self, name):
        loss, learnt = self.made(name)
        expected = LOSSES[name].function(self.x, self.labels, **learnt)
        assert loss(self.x, self.labels).item() == expected.item()
        assert loss(embeddings=self.x, labels=self.labels).item() == expected.item()
        loss(self.x, self.labels).backward()
        assert all(parameter.grad is not None for parameter in loss.parameters())

    def test_references_and_explicit_tuples_pass_through(self):
        loss = self.shell.TripletLoss(mining="all")
        expected = losses.triplet_loss(
            X[:4], LABELS[:4], mining="all", references=X[4:], reference_labels=LABELS[4:]
        )
        value = loss(self.x[:4], self.labels[:4], references=self.x[4:], reference_labels=self.labels[4:])
        np.testing.assert_allclose(value.item(), expected, rtol=1e-5)
        triplets = [self.torch.as_tensor(X[i : i + 2]) for i in (0, 2, 4)]
        expected = losses.triplet_margin_loss(X[0:2], X[2:4], X[4:6], margin=0.3)
        np.testing.assert_allclose(
            self.shell.TripletMarginLoss(margin=0.3)(*triplets).item(), expected, rtol=1e-5
        )
        with pytest.raises(TypeError, match=r"reference=\.\.\.; expected embeddings, labels, references"):
            loss(self.x, self.labels, reference=self.x)

    def test_options_show_and_may_change(self):
        loss = self.shell.TripletLoss(mining="hard", distance=own_loss)
        assert repr(loss).startswith("TripletLoss(margin=0.2, mining='hard', distance=own_loss, soft=False")
        loss = self.shell.TripletLoss(mining="hard")
        loss.margin = 1.5
        assert loss(self.x, self.labels).item() == losses.triplet_loss(
            self.x, self.labels, margin=1.5, mining="hard"
        )

    def test_what_is_learnt_is_a_parameter(self):
        self.torch.manual_seed(3)
        loss, _ = self.made("ProxyAnchorLoss")
        self.torch.manual_seed(3)
        again, _ = self.made("ProxyAnchorLoss")
        assert list(loss.state_dict()) == ["proxies"]
        assert self.torch.equal(loss.proxies, again.proxies)
        assert 0.5 < loss.proxies.norm(dim=1).mean() < 1.5
        other, _ = self.made("ProxyAnchorLoss")
        assert not self.torch.equal(loss.proxies, other.proxies)
        other.load_state_dict(loss.state_dict())
        assert other(self.x, self.labels).item() == loss(self.x, self.labels).item()
        assert loss.double().proxies.dtype == self.torch.float64
        given = self.shell.ProxyAnchorLoss(**SIZES, proxies=np.eye(CLASSES, SIZE))
        np.testing.assert_array_equal(given.proxies.detach(), np.eye(CLASSES, SIZE))
        with pytest.raises(ValueError, match=r"proxies has shape \(2, 2\); expected \(4, 6\)"):
            self.shell.ProxyAnchorLoss(**SIZES, proxies=np.eye(2))

    def test_options_can_be_learnt(self):
        loss = self.shell.MarginLoss(learn=["beta"], beta=np.full(CLASSES, 0.5))
        assert "learn=['beta']" in repr(loss)
        loss(self.x, self.labels).backward()
        assert loss.beta.shape == (CLASSES,) and loss.beta.grad.abs().sum() > 0
        assert list(self.shell.MarginLoss().parameters()) == []

    def test_own_functions_become_modules(self):
        loss = self.shell.loss_class(own_loss)(**SIZES, times=2, weight=np.ones((SIZE, CLASSES)))
        value = loss(self.x, self.labels, extra=self.x[:, 0])
        expected = 2 * (CLASSES * X.sum() + 0.5) + X[:, 0].sum()
        np.testing.assert_allclose(value.item(), expected, rtol=1e-4)

    @pytest.mark.parametrize("name", ["TripletLoss", "ProxyAnchorLoss", "MarginLoss"])
    def test_compiles_without_a_graph_break(self, name):
        loss, _ = self.made(name)
        self.torch.compiler.reset()
        compiled = self.torch.compile(loss, fullgraph=True, backend="aot_eager")
        value = compiled(self.x, self.labels)
        np.testing.assert_allclose(value.item(), loss(self.x, self.labels).item(), rtol=1e-5)
        value.backward()

    @pytest.mark.parametrize("compiled", [False, True])
    def test_autocast_does_not_reach_inside(self, compiled):
        loss = self.shell.TripletLoss(mining="all")
        expected = loss(self.x, self.labels)
        if compiled:
            self.torch.compiler.reset()
            loss = self.torch.compile(loss, fullgraph=True, backend="aot_eager")
        with self.torch.autocast("cpu", dtype=self.torch.bfloat16):
            value = loss(self.x, self.labels)
        assert value.dtype == self.torch.float32
        np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-5)

    def test_copies_and_pickles(self):
        loss, _ = self.made("ProxyAnchorLoss", margin=0.3)
        for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
            assert repr(again) == repr(loss) and self.torch.equal(again.proxies, loss.proxies)


class TestJax:
    @pytest.fixture(autouse=True)
    def _modules(self):
        self.jax = pytest.importorskip("jax")
        import nearfar.jax

        self.shell = nearfar.jax
        self.x, self.labels = self.jax.numpy.asarray(X), self.jax.numpy.asarray(LABELS)

    def test_functions_are_the_functions(self):
        assert all(getattr(self.shell, name) is getattr(losses, name) for name in losses.__all__)
        with pytest.raises(AttributeError, match="no loss 'Triplet'"):
            _ = self.shell.Triplet

    def test_nnx_modules(self):
        nnx = pytest.importorskip("flax.nnx")
        loss = self.shell.ProxyAnchorLoss(**SIZES, rngs=nnx.Rngs(0))
        expected = losses.proxy_anchor_loss(X, LABELS, proxies=np.asarray(loss.proxies[...]))
        np.testing.assert_allclose(nnx.jit(lambda loss: loss(self.x, self.labels))(loss), expected, rtol=1e-5)
        slope = nnx.grad(lambda loss: loss(self.x, self.labels))(loss)
        assert float(self.jax.numpy.abs(slope["proxies"][...]).sum()) > 0
        with pytest.raises(TypeError, match="without rngs"):
            self.shell.ProxyAnchorLoss(**SIZES)
        beta = self.shell.MarginLoss(learn=["beta"], beta=0.5)
        assert list(nnx.to_flat_state(nnx.state(beta, nnx.Param)).paths) == [("beta",)]
        np.testing.assert_allclose(
            beta(self.x, self.labels), losses.margin_loss(X, LABELS, beta=0.5), rtol=1e-5
        )

    def test_linen_modules(self):
        linen = pytest.importorskip("flax.linen")
        loss = self.shell.linen.ProxyAnchorLoss(**SIZES)
        assert isinstance(loss, linen.Module)
        variables = loss.init(self.jax.random.key(0), self.x, self.labels)
        proxies = variables["params"]["proxies"]
        assert proxies.shape == (CLASSES, SIZE)
        expected = losses.proxy_anchor_loss(X, LABELS, proxies=np.asarray(proxies))
        np.testing.assert_allclose(
            self.jax.jit(loss.apply)(variables, self.x, self.labels), expected, rtol=1e-5
        )
        beta = self.shell.linen.MarginLoss(learn=("beta",), beta=0.5)
        variables = beta.init(self.jax.random.key(0), self.x, self.labels)
        assert float(variables["params"]["beta"]) == 0.5
        slope = self.jax.grad(lambda v: beta.apply(v, self.x, self.labels))(variables)["params"]["beta"]
        assert float(slope) != 0
        with pytest.raises(ValueError, match="'hardest'"):
            self.shell.linen.TripletLoss(mining="hardest")


@pytest.mark.slow
@pytest.mark.parametrize("check", keras_checks.names("shells"))
@pytest.mark.parametrize("backend", keras_checks.BACKENDS)
def test_keras(backend, check):
    failure = keras_checks.results(backend)[check]
    assert not failure, failure
