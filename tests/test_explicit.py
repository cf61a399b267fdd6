"""Losses of explicit triplets: torch's two losses and the papers' loops."""

import numpy as np
import pytest
from tuple_loops import SIZE, norm, reduced, triplets

from nearfar import losses, mining


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
