"""Losses of explicit pairs and triplets: torch's two losses, the papers' loops, polarity."""

import numpy as np
import pytest

from nearfar import losses, mining

SIZE = (9, 5)


def triplets(seed=0, dtype=np.float64, size=SIZE):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=size).astype(dtype) for _ in range(3)]


def norm(x, y, p=2.0, eps=1e-6):
    """torch's PairwiseDistance by its definition: the p-norm of x - y + eps."""
    return np.array(
        [
            sum(abs(a - b + eps) ** p for a, b in zip(*rows, strict=True)) ** (1 / p)
            for rows in zip(x, y, strict=True)
        ]
    )


def reduced(values, reduction):
    active = values[values > 0]
    return {
        "mean": values.mean(),
        "sum": values.sum(),
        "none": values,
        "active_mean": active.mean() if len(active) else 0.0,
    }[reduction]


def against_torch(criterion, options, seed=1):
    """Value and gradients of torch's loss and of ours on the same random triplets, in float64."""
    torch = pytest.importorskip("torch")
    found = []
    for function in (criterion, lambda a, p, n: losses.triplet_margin_loss(a, p, n, **options)):
        tensors = [torch.as_tensor(x).requires_grad_() for x in triplets(seed)]
        value = function(*tensors)
        weights = torch.arange(1.0, value.numel() + 1, dtype=value.dtype).reshape(value.shape)
        (value * weights).sum().backward()  # so that "none" has a gradient too
        found.append((value.detach().numpy(), [x.grad.numpy() for x in tensors]))
    (value, gradients), (ours, our_gradients) = found
    np.testing.assert_allclose(ours, value, rtol=1e-12)
    for gradient, our_gradient in zip(gradients, our_gradients, strict=True):
        np.testing.assert_allclose(our_gradient, gradient, rtol=1e-9, atol=1e-12)


class TestTripletMarginLoss:
    @pytest.mark.parametrize("p", [1, 1.5, 2, 3])
    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_equals_torchs_triplet_margin_loss(self, p, swap, reduction):
        torch = pytest.importorskip("torch")
        options = {"margin": 1.2, "p": p, "swap": swap, "reduction": reduction}
        against_torch(torch.nn.TripletMarginLoss(**options), options)
        against_torch(torch.nn.TripletMarginLoss(eps=1e-3, **options), {"eps": 1e-3, **options}, seed=2)

    @pytest.mark.parametrize("swap", [False, True])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("kind", ["chebyshev", "cosine", "squared", "none"])
    def test_equals_torchs_triplet_margin_with_distance_loss(self, swap, reduction, kind):
        torch = pytest.importorskip("torch")
        theirs = {
            "chebyshev": lambda x, y: (x - y).abs().amax(dim=1),
            "cosine": lambda x, y: 1 - torch.nn.functional.cosine_similarity(x, y),
            "squared": lambda x, y: ((x - y) ** 2).sum(dim=1),
            "none": None,
        }[kind]
        ours = {"chebyshev": "chebyshev", "cosine": "cosine", "squared": "squared_euclidean", "none": None}[
            kind
        ]
        options = {"margin": 0.8, "swap": swap, "reduction": reduction}
        criterion = torch.nn.TripletMarginWithDistanceLoss(distance_function=theirs, **options)
        against_torch(criterion, {"distance": ours, **options})
        if theirs is not None:
            against_torch(criterion, {"distance": theirs, **options})

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"margin": 1.0, "p": 2}, 1.1951137781143188),
            ({"margin": 1.5, "distance": "chebyshev"}, 1.529929518699646),
            ({"margin": 1.0, "distance": "cosine"}, 1.0007251501083374),
        ],
    )
    def test_known_values_in_every_framework(self, framework, options, expected):
        torch = pytest.importorskip("torch")  # the values are torch 2.13's own, on its random numbers
        torch.manual_seed(20)
        rows = [torch.randn(100, 128).numpy() for _ in range(3)]
        value = framework(lambda a, p, n: losses.triplet_margin_loss(a, p, n, **options), *rows)
        np.testing.assert_allclose(value, expected, rtol=1e-6)

    @pytest.mark.parametrize("p", [1, 1.5, 2, 3])
    @pytest.mark.parametrize("swap", [False, True])
    def test_value_is_the_definitions(self, framework, p, swap):
        a, b, c = triplets(3)
        far = np.minimum(norm(a, c, p), norm(b, c, p)) if swap else norm(a, c, p)
        values = np.maximum(0, 0.2 + norm(a, b, p) - far)
        assert (values == 0).any() and (values > 0).any()
        for reduction in ("mean", "sum", "none", "active_mean"):
            options = {"margin": 0.2, "p": p, "swap": swap, "reduction": reduction}
            value = framework(lambda a, b, c, o=options: losses.triplet_margin_loss(a, b, c, **o), a, b, c)
            np.testing.assert_allclose(value, reduced(values, reduction), rtol=1e-10)

    @pytest.mark.parametrize(
        "options", [{}, {"p": 1.5}, {"swap": True}, {"tightness": 0.3}, {"distance": "cosine"}]
    )
    def test_gradient_is_the_slope(self, differentiable, options):
        rows = triplets(4)
        function = lambda a, p, n: losses.triplet_margin_loss(a, p, n, **options)
        _, gradients = differentiable.value_and_gradients(function, *rows)
        for i, gradient in enumerate(gradients):
            direction = np.random.default_rng(i).normal(size=SIZE)
            ends = [
                function(*[x + t * direction if k == i else x for k, x in enumerate(rows)])
                for t in (1e-6, -1e-6)
            ]
            np.testing.assert_allclose((gradient * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)

    @pytest.mark.parametrize("distance", [None, "squared_euclidean"])
    def test_rows_laid_out_one_after_the_other(self, framework, distance):
        rows = np.random.default_rng(5).normal(size=(12, 4))
        squares = [
            ((rows[i] - rows[i + 1]) ** 2).sum() - ((rows[i] - rows[i + 2]) ** 2).sum() for i in (0, 3, 6, 9)
        ]
        near, far = norm(rows[0::3], rows[1::3]), norm(rows[0::3], rows[2::3])
        gaps = np.array(squares) if distance else near - far
        value = framework(
            lambda x: losses.triplet_margin_loss(x[0::3], x[1::3], x[2::3], margin=0.5, distance=distance),
            rows,
        )
        np.testing.assert_allclose(value, np.maximum(0, 0.5 + gaps).mean(), rtol=1e-10)

    @pytest.mark.parametrize("p", [1, 1.5, 2, 3, float("inf")])
    def test_equal_rows_have_a_finite_gradient(self, differentiable, p):
        x = np.ones((3, 4), np.float32)
        function = lambda a, b, c: losses.triplet_margin_loss(a, b, c, p=p, eps=0.0)
        value, gradients = differentiable.value_and_gradients(function, x, x.copy(), x.copy())
        assert value == 1
        assert all(np.isfinite(g).all() for g in gradients)

    def test_tightness_adds_both_distances(self, framework):
        a, p, n = np.zeros((1, 1)), np.full((1, 1), 2.0), np.full((1, 1), 3.0)
        options = {"distance": "euclidean", "margin": 0.5}
        function = lambda a, p, n: losses.triplet_margin_loss(a, p, n, tightness=0.1, **options)
        assert framework(function, a, p, n) == pytest.approx(0 + 0.1 * (2 + 3))  # max(0, 0.5 + 2 - 3) = 0
        function = lambda a, p, n: losses.triplet_margin_loss(a, p, n, tightness=0.1, swap=True, **options)
        assert framework(function, a, p, n) == pytest.approx(0.5 + 2 - 1 + 0.1 * (2 + 3))

    def test_value_does_not_depend_on_the_order(self):
        rows, order = triplets(), np.random.default_rng(1).permutation(SIZE[0])
        value = losses.triplet_margin_loss(*(x[order] for x in rows), swap=True)
        np.testing.assert_allclose(value, losses.triplet_margin_loss(*rows, swap=True), rtol=1e-12)

    def test_no_triplets_give_zero(self, framework):
        function = lambda a, p, n: losses.triplet_margin_loss(a, p, n)
        assert framework(function, *triplets(size=(0, 3))) == 0

    def test_compiles(self, compiled):
        rows = triplets(6)
        function = lambda a, p, n: losses.triplet_margin_loss(a, p, n, p=3, swap=True, tightness=0.1)
        value, gradients = compiled.value_and_gradients(function, *rows)
        expected, slopes = type(compiled)(compiled.name).value_and_gradients(function, *rows)
        np.testing.assert_allclose(value, expected, rtol=1e-10)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(
        ("rows", "options", "error", "words"),
        [
            ([(3, 2), (3, 2), (4, 2)], {}, ValueError, r"negatives has shape \(4, 2\) but anchors \(3, 2\)"),
            ([(3,), (3,), (3,)], {}, ValueError, "one row per sample"),
            ([(3, 2)] * 3, {"p": 0.5}, ValueError, "p is 0.5"),
            ([(3, 2)] * 3, {"reduction": "avg"}, ValueError, "'avg'"),
            ([(3, 2)] * 3, {"distance": "l2"}, ValueError, "'l2'"),
        ],
    )
    def test_wrong_input_is_told(self, rows, options, error, words):
        with pytest.raises(error, match=words):
            losses.triplet_margin_loss(*[np.zeros(shape) for shape in rows], **options)

    def test_integers_are_refused(self):
        with pytest.raises(TypeError, match="expected floats"):
            losses.triplet_margin_loss(*[np.zeros((2, 2), int)] * 3)


class TestTripletDifficulty:
    def test_codes_are_facenets(self, framework):
        # d_ap = 1, margin 1: easy from 2 on, semi-hard beyond 1, hard up to 1
        anchors, positives = np.zeros((6, 1)), np.ones((6, 1))
        negatives = np.array([[3.0], [2.0], [1.999], [1.001], [1.0], [0.5]])
        function = lambda a, p, n: mining.triplet_difficulty(a, p, n, distance="euclidean")
        codes = framework(function, anchors, positives, negatives)
        assert codes.tolist() == [0, 0, 1, 1, 2, 2]
        assert codes.dtype.kind == "i"

    @pytest.mark.parametrize("p", [1, 3])
    def test_easy_triplets_are_those_without_loss(self, p):
        rows = triplets(7, size=(200, 4))
        codes = mining.triplet_difficulty(*rows, margin=0.7, p=p)
        values = losses.triplet_margin_loss(*rows, margin=0.7, p=p, reduction="none")
        np.testing.assert_array_equal(codes == 0, values == 0)
        np.testing.assert_array_equal(codes == 2, values >= 0.7)
        assert len(np.unique(codes)) == 3


def pair_loop(x, y, same, margin=1.0, hinge="squared", near=None, far=None):
    """0.5 (y d^2 + (1 - y) h) one pair at a time."""
    euclidean = lambda a, b: sum((a - b) ** 2) ** 0.5
    values = []
    for a, b, positive in zip(x, y, same, strict=True):
        if positive:
            values.append(0.5 * (near or euclidean)(a, b) ** 2)
            continue
        d = (far or euclidean)(a, b)
        values.append(0.5 * (max(0, margin - d) ** 2 if hinge == "squared" else max(0, margin - d**2)))
    return np.array(values)


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
