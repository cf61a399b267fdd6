"""nearfar.compat.tensorflow_addons against the closed forms, in model.compile, saved and loaded."""

import inspect
import tempfile
from pathlib import Path

import keras
import numpy as np
import tfa_closed_forms as forms

from nearfar.compat import tensorflow_addons as tfa

BATCHES = forms.batches()
LABELS, X = BATCHES["plain"]
# JAX compiles each shape and option anew, so it is asked for fewer
FEW = ("plain", "singletons", "one class", "all classes differ", "collapsed")
NAMES = FEW if keras.backend.backend() == "jax" else tuple(BATCHES)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def near(actual, expected, tolerance=2e-5):
    np.testing.assert_allclose(numpy(actual), expected, rtol=tolerance, atol=1e-5)


def fitted(loss, inputs, labels, width, **more):
    """A trained model with a Dense layer of `width`, and what it predicts."""
    rows = keras.Input(inputs.shape[1:])
    model = keras.Model(rows, keras.layers.Dense(width)(rows))
    model.compile(keras.optimizers.SGD(0.01), loss=loss)
    model.fit(inputs, labels, batch_size=len(inputs), verbose=0, **more)
    return model, model.predict(inputs, batch_size=len(inputs), verbose=0)


def saved_and_loaded(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        return keras.models.load_model(Path(folder) / "model.keras")


def check_tfa_signatures_are_the_librarys():
    expected = {
        "TripletSemiHardLoss": "margin=1.0, distance_metric='L2', name=None, **kwargs",
        "TripletHardLoss": "margin=1.0, soft=False, distance_metric='L2', name=None, **kwargs",
        "LiftedStructLoss": "margin=1.0, name=None, **kwargs",
        "ContrastiveLoss": "margin=1.0, reduction='sum_over_batch_size', name='contrastive_loss'",
        "NpairsLoss": "name='npairs_loss'",
        "NpairsMultilabelLoss": "name='npairs_multilabel_loss'",
        "triplet_semihard_loss": "y_true, y_pred, margin=1.0, distance_metric='L2'",
        "triplet_hard_loss": "y_true, y_pred, margin=1.0, soft=False, distance_metric='L2'",
        "lifted_struct_loss": "labels, embeddings, margin=1.0",
        "contrastive_loss": "y_true, y_pred, margin=1.0",
        "npairs_loss": "y_true, y_pred",
        "npairs_multilabel_loss": "y_true, y_pred",
    }
    assert sorted(tfa.losses.__all__) == sorted(expected)
    for name, signature in expected.items():
        plain = inspect.signature(getattr(tfa.losses, name))
        bare = [p.replace(annotation=p.empty) for p in plain.parameters.values()]
        assert ", ".join(map(str, bare)) == signature, name


def check_tfa_semihard_is_the_closed_form():
    for name in NAMES:
        labels, x = BATCHES[name]
        for metric in forms.METRICS if name == "plain" else ("L2",):
            for margin in (1.0, 0.3) if name == "plain" else (1.0,):
                value = tfa.losses.triplet_semihard_loss(labels, x, margin, metric)
                near(value, forms.semihard(labels, x, margin, metric))
        near(tfa.losses.TripletSemiHardLoss()(labels[:, None], x), forms.semihard(labels, x))


def check_tfa_hard_is_the_closed_form():
    for name in NAMES:
        labels, x = BATCHES[name]
        for soft in (False, True):
            for metric in forms.METRICS if name == "plain" else ("L2",):
                value = tfa.losses.triplet_hard_loss(labels, x, 0.7, soft, metric)
                near(value, forms.hard(labels, x, 0.7, soft, metric))
    labels, x = BATCHES["none semi-hard"]
    value = tfa.losses.TripletHardLoss(soft=True, distance_metric="squared-L2")(labels, x)
    near(value, forms.hard(labels, x, 1.0, True, "squared-L2"))  # there infinite


def check_tfa_lifted_is_the_closed_form():
    for name in NAMES:
        labels, x = BATCHES[name]
        near(tfa.losses.lifted_struct_loss(labels, x), forms.lifted(labels, x))
    near(tfa.losses.LiftedStructLoss(0.5)(LABELS, X), forms.lifted(LABELS, X, 0.5))


def check_tfa_npairs_is_the_closed_form():
    logits = np.random.default_rng(8).normal(size=(6, 6)).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 2, 2])
    expected = forms.npairs(np.equal.outer(labels, labels), logits)
    for y in (labels, labels[:, None], labels + 2**24):
        near(tfa.losses.npairs_loss(y, logits), expected)
        near(tfa.losses.NpairsLoss()(y, logits), expected)
    hot = np.array(
        [[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 0]]
    )  # the last has no label
    expected = forms.npairs(hot @ hot.T, logits)
    near(tfa.losses.npairs_multilabel_loss(hot, logits), expected)
    near(tfa.losses.NpairsMultilabelLoss()(hot, logits), expected)
    rows = [forms.npairs((hot @ hot.T)[[i]], logits[[i]]) for i in range(6)]
    weights = np.array([1, 2, 0, 1, 0, 1])
    near(tfa.losses.NpairsMultilabelLoss()(hot, logits, weights[:, None]), np.average(rows, weights=weights))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        near(tfa.losses.npairs_multilabel_loss(tf.sparse.from_dense(hot), logits), expected)


def check_tfa_contrastive_is_the_closed_form():
    y, d = np.array([1, 0, 0, 1]), np.array([0.5, 0.2, 2.0, 1.5], np.float32)
    expected = forms.contrastive(y, d, 1.5)
    near(tfa.losses.contrastive_loss(y, d, 1.5), expected)
    near(tfa.losses.contrastive_loss(y[:, None], d, 1.5), expected)
    near(tfa.losses.ContrastiveLoss(1.5)(y, d), expected.mean())
    near(tfa.losses.ContrastiveLoss(1.5, "sum")(y, d), expected.sum())
    near(tfa.losses.ContrastiveLoss(1.5, reduction="none")(y, d), expected)
    near(
        tfa.losses.ContrastiveLoss(1.5)(y, d, sample_weight=np.array([1, 2, 0, 1])),
        (expected * [1, 2, 0, 1]).mean(),
    )


def inner_product(x):
    return keras.ops.matmul(x, keras.ops.transpose(x))


def check_tfa_distances_may_be_functions():
    products = lambda x: np.asarray(x, float) @ np.asarray(x, float).T
    for name in ("plain", "singletons", "one class"):
        labels, x = BATCHES[name]
        near(
            tfa.losses.triplet_semihard_loss(labels, x, distance_metric=inner_product),
            forms.semihard(labels, x, metric=products),
        )
        near(
            tfa.losses.TripletHardLoss(distance_metric=inner_product)(labels, x),
            forms.hard(labels, x, metric=products),
        )
    try:
        tfa.losses.TripletSemiHardLoss(distance_metric="L1")(LABELS, X)
    except ValueError as error:
        assert "'L1'" in str(error)
    else:
        raise AssertionError("L1 was taken for a distance")


def check_tfa_labels_and_types():
    expected = forms.semihard(LABELS, X)
    loss = tfa.losses.TripletSemiHardLoss()
    for labels in (
        LABELS + 2**24,
        LABELS + 2**53,
        LABELS.astype(np.float32),
        LABELS[:, None].astype(np.int8),
    ):
        near(loss(labels, X), expected)
    half = (X * 8).round() / 8
    value = tfa.losses.triplet_semihard_loss(LABELS, keras.ops.cast(half, "float16"))
    assert keras.backend.standardize_dtype(value.dtype) == "float16"
    near(value, forms.semihard(LABELS, half), 1e-3)
    if keras.backend.backend() != "jax":  # which has float64 only where it is switched on
        value = tfa.losses.triplet_semihard_loss(LABELS, X.astype(np.float64))
        np.testing.assert_allclose(numpy(value), expected, rtol=1e-12)


def check_tfa_weights_and_reductions():
    values = [forms.semihard(LABELS, X, 1.0)]
    terms = len([1 for a in LABELS for b in LABELS if a == b]) - len(LABELS)
    near(tfa.losses.TripletSemiHardLoss(reduction="sum")(LABELS, X), values[0] * terms)
    for reduction in ("none", "auto", "sum_over_batch_size"):  # old configurations hold "none"
        near(tfa.losses.TripletSemiHardLoss(reduction=reduction)(LABELS, X), values[0])
    for loss in (
        tfa.losses.TripletSemiHardLoss(),
        tfa.losses.TripletHardLoss(),
        tfa.losses.LiftedStructLoss(),
    ):
        near(loss(LABELS, X, sample_weight=np.full(10, 2.0)), numpy(loss(LABELS, X)))
    similarities = X @ X.T
    near(tfa.losses.NpairsLoss()(LABELS, similarities, 0.5), tfa.losses.npairs_loss(LABELS, similarities))
    loss, weights = tfa.losses.LiftedStructLoss(reduction="sum"), np.arange(10) % 2
    near(loss(LABELS, X, weights) + loss(LABELS, X, 1 - weights), forms.lifted(LABELS, X) * terms)
    # only class 1 counts: its anchors against everybody
    one = (LABELS == 1).astype(np.float32)
    d = forms.distances(X)
    gaps = [max(0, max(d[a, 3:6]) - min(d[a, LABELS != 1]) + 1) for a in (3, 4, 5)]
    near(tfa.losses.TripletHardLoss()(LABELS, X, sample_weight=one[:, None]), np.mean(gaps))


def check_tfa_losses_train_save_and_load():
    cases = [
        (
            tfa.losses.TripletSemiHardLoss(0.8, "squared-L2"),
            LABELS,
            lambda y: forms.semihard(LABELS, y, 0.8, "squared-L2"),
        ),
        (tfa.losses.TripletHardLoss(soft=True), LABELS[:, None], lambda y: forms.hard(LABELS, y, soft=True)),
        (tfa.losses.LiftedStructLoss(), LABELS, lambda y: forms.lifted(LABELS, y)),
        (
            tfa.losses.ContrastiveLoss(2.0),
            LABELS % 2,
            lambda y: forms.contrastive(LABELS % 2, y[:, 0], 2.0).mean(),
        ),
        (tfa.losses.NpairsLoss(), LABELS, lambda y: forms.npairs(np.equal.outer(LABELS, LABELS), y)),
    ]
    widths = {"contrastive_loss": 1, "npairs_loss": 10}
    for loss, labels, expected in cases[:2] + cases[3:4] if keras.backend.backend() == "jax" else cases:
        model, predicted = fitted(loss, X, labels, widths.get(loss.name, 3))
        loaded = saved_and_loaded(model)
        assert type(loaded.loss) is type(loss) and loaded.loss.get_config() == loss.get_config()
        near(loaded.evaluate(X, labels, batch_size=10, verbose=0), expected(predicted), 1e-4)


def check_tfa_losses_load_from_old_configurations():
    config = {"reduction": "none", "name": None, "margin": 0.4, "distance_metric": "angular"}
    saved = {
        "class_name": "TripletSemiHardLoss",
        "registered_name": "Addons>TripletSemiHardLoss",
        "config": config,
    }
    loss = keras.losses.deserialize({"module": None, **saved})
    near(loss(LABELS, X), forms.semihard(LABELS, X, 0.4, "angular"))


def check_tfa_batches_without_positives_train():
    _, predicted = fitted(tfa.losses.TripletSemiHardLoss(), X, np.arange(10), 3)
    assert np.isfinite(predicted).all()  # there the first such batch makes every weight NaN
