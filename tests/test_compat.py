"""Drop-ins of ended libraries against closed forms in plain NumPy (tfa_closed_forms.py).

The closed forms were compared with the real TensorFlow Addons 0.23.0 on TensorFlow 2.15.1 and Python 3.11, by
`python tests/tfa_closed_forms.py` there: semi-hard and hard (three distances, two margins, hinge and soft), lifted
structure, both N-pairs and contrastive, on all nine batches. Values differ by 3e-6 at most and gradients were finite,
except where the library gives NaN (no positive pair; for lifted structure also one class only) or infinity (soft
margin of a gap above 88): there the closed forms say 0 and the finite value.

The drop-ins were compared with it too, on thirteen batches more (six random; no negatives, no positives, classes of one,
equal rows, integers with ties, rows far apart, all rows equal): 362 values within 4e-7 but for those NaN and infinities
and `reduction="sum"`, and gradients within 1e-3 of the largest but for exact ties, whose slope it shares out.
"""

import keras_checks
import numpy as np
import pytest
import tfa_closed_forms as forms

from nearfar.compat import moindrot

BATCHES = forms.batches()
every_batch = pytest.mark.parametrize("name", BATCHES)


@pytest.mark.slow
@pytest.mark.parametrize("check", keras_checks.names("compat"))
@pytest.mark.parametrize("backend", keras_checks.BACKENDS)
def test_tensorflow_addons(backend, check):
    failure = keras_checks.results(backend)[check]
    assert not failure, failure


class TestMoindrot:
    @every_batch
    @pytest.mark.parametrize("squared", [False, True])
    def test_batch_all(self, framework, name, squared):
        labels, x = BATCHES[name]
        function = lambda labels, x: moindrot.batch_all_triplet_loss(labels, x, 0.5, squared)
        loss, fraction = framework(function, labels, x.astype(np.float64))
        expected, share = forms.batch_all(labels, x, 0.5, squared)
        np.testing.assert_allclose(loss, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(fraction, share, rtol=1e-9)

    @every_batch
    @pytest.mark.parametrize("squared", [False, True])
    def test_batch_hard(self, framework, name, squared):
        labels, x = BATCHES[name]
        function = lambda labels, x: moindrot.batch_hard_triplet_loss(labels, x, margin=0.5, squared=squared)
        expected = forms.batch_hard(labels, x, 0.5, squared)
        np.testing.assert_allclose(
            framework(function, labels, x.astype(np.float64)), expected, rtol=1e-9, atol=1e-9
        )

    def test_columns_of_labels_are_labels(self, framework):
        labels, x = BATCHES["plain"]
        for function in (moindrot.batch_all_triplet_loss, moindrot.batch_hard_triplet_loss):
            plain = framework(lambda y, x, f=function: f(y, x, 0.5), labels, x)
            column = framework(lambda y, x, f=function: f(y, x, 0.5), labels[:, None], x)
            np.testing.assert_allclose(column, plain, rtol=1e-6)

    @pytest.mark.parametrize("name", ["batch_all_triplet_loss", "batch_hard_triplet_loss"])
    def test_gradient_is_the_slope(self, differentiable, name):
        labels, x = BATCHES["plain"]
        x, loss = x.astype(np.float64), getattr(moindrot, name)

        def function(x):
            found = loss(differentiable.tensor(labels) if not isinstance(x, np.ndarray) else labels, x, 0.5)
            return found[0] if isinstance(found, tuple) else found

        _, (gradient,) = differentiable.value_and_gradients(function, x)
        direction = np.random.default_rng(0).normal(size=x.shape)
        slope = (function(x + 1e-6 * direction) - function(x - 1e-6 * direction)) / 2e-6
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-5)

    def test_no_table_of_triplets(self):
        # 1,500^3 floats would be 13 GB
        import tracemalloc

        x, labels = np.random.default_rng(0).normal(size=(1500, 8)), np.arange(1500) // 3
        tracemalloc.start()
        loss, fraction = moindrot.batch_all_triplet_loss(labels, x, 0.5)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 300e6 and loss > 0 and 0 < fraction < 1
