"""The contrastive loss of explicit pairs: the papers' loops, polarity."""

import numpy as np
import pytest
from tuple_loops import SIZE, pair_loop, reduced, triplets

from nearfar import losses


class TestPairContrastiveLoss:
    SAME = np.array([True, False, False, True, False, True, False, False, False])

    def pairs(self):
        x, y, _ = triplets(8)
        return x, x + 0.6 * y

    @pytest.mark.parametrize("hinge", ["squared", "of_square"])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none", "active_mean"])
    def test_value_is_the_papers(self, framework, hinge, reduction):
        x, y = self.pairs()
        values = pair_loop(x, y, self.SAME, 1.4, hinge)
        assert (values == 0).any() and (values[~self.SAME] > 0).any()
        options = {"margin": 1.4, "hinge": hinge, "reduction": reduction}
        for same in (self.SAME, self.SAME.astype(np.int32), self.SAME[:, None], self.SAME.astype(np.uint8)):
            value = framework(
                lambda x, y, same: losses.pair_contrastive_loss(x, y, same, **options), x, y, same
            )
            np.testing.assert_allclose(value, reduced(values, reduction), rtol=1e-10)

    def test_value_does_not_depend_on_the_order(self):
        (x, y), order = self.pairs(), np.random.default_rng(1).permutation(SIZE[0])
        value = losses.pair_contrastive_loss(x[order], y[order], self.SAME[order])
        np.testing.assert_allclose(value, losses.pair_contrastive_loss(x, y, self.SAME), rtol=1e-12)

    def test_positives_and_negatives_may_have_distances_of_their_own(self, framework):
        x, y = self.pairs()
        cosine = lambda a, b: 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        values = pair_loop(x, y, self.SAME, 2.0, near=cosine, far=lambda a, b: abs(a - b).sum())

        def function(x, y, same):
            options = {"margin": 2.0, "positive_distance": "cosine", "negative_distance": "manhattan"}
            return losses.pair_contrastive_loss(x, y, same, **options)

        np.testing.assert_allclose(framework(function, x, y, self.SAME), values.mean(), rtol=1e-10)
        only = pair_loop(x, y, self.SAME, 2.0, near=cosine)
        value = losses.pair_contrastive_loss(x, y, self.SAME, margin=2.0, positive_distance="cosine")
        np.testing.assert_allclose(value, only.mean(), rtol=1e-10)
        manhattan = lambda x, y: abs(x - y).sum(axis=1)
        both = losses.pair_contrastive_loss(x, y, self.SAME, distance=manhattan)
        np.testing.assert_allclose(both, losses.pair_contrastive_loss(x, y, self.SAME, distance="manhattan"))

    @pytest.mark.parametrize("hinge", ["squared", "of_square"])
    def test_gradient_is_the_slope(self, differentiable, hinge):
        x, y = self.pairs()
        function = lambda x, y: losses.pair_contrastive_loss(x, y, same(x), margin=1.4, hinge=hinge)

        def same(x):
            return differentiable.tensor(self.SAME) if not isinstance(x, np.ndarray) else self.SAME

        _, gradients = differentiable.value_and_gradients(function, x, y)
        direction = np.random.default_rng(0).normal(size=SIZE)
        slope = (function(x + 1e-6 * direction, y) - function(x - 1e-6 * direction, y)) / 2e-6
        np.testing.assert_allclose((gradients[0] * direction).sum(), slope, rtol=1e-6)
        np.testing.assert_allclose(gradients[0], -gradients[1], rtol=1e-10)

    def test_equal_rows_have_a_finite_gradient(self, differentiable):
        # a negative pair at distance 0: where a naive square root gives NaN
        x = np.ones((2, 3), np.float32)
        same = differentiable.tensor(np.array([True, False]))
        value, gradients = differentiable.value_and_gradients(
            lambda x, y: losses.pair_contrastive_loss(x, y, same), x, x.copy()
        )
        assert value == 0.25  # (0 + 0.5) / 2
        assert all(np.isfinite(g).all() for g in gradients)

    def test_compiles(self, compiled):
        x, y = self.pairs()
        function = lambda x, y, same: losses.pair_contrastive_loss(x, y, same, margin=1.4)
        value, _ = compiled.value_and_gradients(function, x, y, self.SAME)
        np.testing.assert_allclose(value, pair_loop(x, y, self.SAME, 1.4).mean(), rtol=1e-10)

    def test_half_precision_is_computed_in_float32(self, framework):
        x, y = [(z * 8).round() / 8 for z in self.pairs()]
        function = lambda x, y, same: losses.pair_contrastive_loss(x, y, same)
        value = framework(function, x.astype(np.float16), y.astype(np.float16), self.SAME)
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, pair_loop(x, y, self.SAME).mean(), rtol=1e-6)

    def test_the_polarity_cannot_be_mistaken_silently(self, framework):
        x, y = self.pairs()
        with pytest.raises(TypeError, match=r"same=\(y == 1\), or same=\(y == 0\)"):
            framework(
                lambda x, y, s: losses.pair_contrastive_loss(x, y, s), x, y, self.SAME.astype(np.float32)
            )
        with pytest.raises(TypeError, match="positional"):
            losses.pair_contrastive_loss(x, y, self.SAME, 1.0)
        assert (
            "Polarity" in losses.pair_contrastive_loss.__doc__
            and "Y = 0" in losses.pair_contrastive_loss.__doc__
        )

    def test_wrong_input_is_told(self):
        x, y = self.pairs()
        for arguments, options, words in (
            ((x, y[:3], self.SAME), {}, r"rights has shape \(3, 5\)"),
            ((x, y, self.SAME[:3]), {}, r"same has shape \(3,\) but lefts has 9 rows"),
            ((x, y, self.SAME), {"hinge": "cubed"}, "'cubed'"),
            ((x, y, self.SAME), {"positive_distance": "l2"}, "'l2'"),
        ):
            with pytest.raises(ValueError, match=words):
                losses.pair_contrastive_loss(*arguments, **options)

    def test_the_loss_joins_a_classification_loss_in_one_step(self):
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        hidden, top = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2)
        x, labels = torch.randn(8, 4), torch.arange(8) % 2
        embeddings = hidden(x)
        classification = torch.nn.functional.cross_entropy(top(embeddings), labels)
        contrast = losses.pair_contrastive_loss(embeddings[:4], embeddings[4:], labels[:4] == labels[4:])
        (classification + 0.1 * contrast).backward()
        alone = torch.autograd.grad(
            torch.nn.functional.cross_entropy(top(hidden(x)), labels), [hidden.weight, top.weight]
        )
        assert torch.allclose(top.weight.grad, alone[1])
        assert not torch.allclose(hidden.weight.grad, alone[0])
