"""nearfar.keras: values, labels, weights, models that train and load, what is learnt."""

import inspect
import tempfile
from pathlib import Path

import keras
import numpy as np

import nearfar.keras
from nearfar import losses
from nearfar._shells import losses_by_class

CLASSES, SIZE = 4, 6
RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 3])
X = RNG.normal(size=(len(LABELS), SIZE)).astype(np.float32)
SIZES = {"num_classes": CLASSES, "embedding_size": SIZE}
# one of each kind: rows, two parts, class weights, proxies, several proxies a class, options that may be learnt
KINDS = ("TripletLoss", "ContrastiveLoss", "SupConLoss", "ProxyAnchorLoss", "SoftTripleLoss", "MarginLoss")
LABELLED = {name: losses_by_class()[name] for name in KINDS}


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def near(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(numpy(actual), numpy(expected), rtol=tolerance, atol=1e-6)


def made(name, **options):
    """A loss with its sizes, and what it learns as NumPy arrays."""
    loss = LABELLED[name]
    sizes = {size: SIZES[size] for size in loss.settings if size in SIZES}
    shell = getattr(nearfar.keras, name)(**sizes, **options)
    learnt = {name: numpy(getattr(shell.layer, name)) for name in loss.shapes} if loss.shapes else {}
    return shell, learnt


def identity(loss, **more):
    """A compiled model that passes its input on and learns nothing of it."""
    inputs = keras.Input((SIZE,))
    outputs = keras.layers.Activation("linear")(inputs)
    model = keras.Model(inputs, loss.layer(outputs) if loss._learnt else outputs)
    model.compile(keras.optimizers.SGD(0.1), loss=loss, **more)
    return model


def saved_and_loaded(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        return keras.models.load_model(Path(folder) / "model.keras")


def check_every_loss_has_its_class():
    for name, loss in losses_by_class().items():
        made = getattr(nearfar.keras, name)
        assert list(inspect.signature(made).parameters)[: len(loss.settings)] == list(loss.settings)
        assert inspect.getdoc(made).splitlines()[0] == inspect.getdoc(loss.function).splitlines()[0]


def check_values_are_the_functions():
    for name, loss in LABELLED.items():
        shell, learnt = made(name)
        near(shell(LABELS, X), loss.function(X, LABELS, **learnt), 1e-4)


def check_losses_that_are_one_number_of_a_batch():
    views = np.stack([X, X[::-1]], axis=1)
    for name, function in (("VICRegLoss", losses.vicreg_loss), ("BarlowTwinsLoss", losses.barlow_twins_loss)):
        loss, weights = getattr(nearfar.keras, name)(), np.array([2.0, 0, 1, 1, 3, 1, 1, 1])
        near(loss(None, views), function(X, X[::-1]), 1e-4)
        near(loss(None, views, sample_weight=weights), function(X, X[::-1], weights=weights), 1e-4)
        assert repr(type(loss).from_config(loss.get_config())) == repr(loss)
    near(nearfar.keras.CoSENTLoss(scale=5.0)(LABELS, X), losses.cosent_loss(X, LABELS, scale=5.0), 1e-4)


def check_labels_keep_their_bits_and_may_be_columns_or_strings():
    loss, expected = nearfar.keras.TripletLoss(mining="all"), losses.triplet_loss(X, LABELS, mining="all")
    for labels in (LABELS + 2**24, LABELS + 2**53, LABELS[:, None], LABELS.astype(np.uint8), list(LABELS)):
        near(loss(labels, X), expected)
    near(loss(np.array(list("aaabbccd")), X), expected)
    near(loss(LABELS[:, None].astype("U1"), X), expected)


def check_labels_keep_their_bits_in_fit():
    loss = nearfar.keras.TripletLoss(mining="all")
    expected = losses.triplet_loss(X, LABELS, mining="all")
    assert expected != losses.triplet_loss(X, LABELS // 2, mining="all")  # what labels in float32 would give
    labels = LABELS[:, None] + 2**24
    near(identity(loss).fit(X, labels, batch_size=8, verbose=0).history["loss"][0], expected)


def check_labels_that_are_floats_are_refused():
    try:
        nearfar.keras.TripletLoss()(LABELS.astype(np.float32), X)
    except TypeError as error:
        assert "integers" in str(error)
    else:
        raise AssertionError("floats were taken for labels")


def check_keras_names_of_reductions():
    expected = losses.triplet_loss(X, LABELS)
    for name in ("mean", "sum_over_batch_size", "mean_with_sample_weight"):
        near(nearfar.keras.TripletLoss(reduction=name)(LABELS, X), expected)
    for name in ("none", None):
        values = nearfar.keras.TripletLoss(reduction=name)(LABELS, X)
        near(values, losses.triplet_loss(X, LABELS, reduction="none"))
    near(
        nearfar.keras.TripletLoss(reduction="sum")(LABELS, X), losses.triplet_loss(X, LABELS, reduction="sum")
    )


def check_sample_weights():
    weights = np.array([0.0, 1, 2, 0, 3, 1, 1, 0.5])
    for name in LABELLED:
        if name == "ProxyAnchorLoss":  # its terms belong to proxies, not to samples
            continue
        loss, learnt = made(name)
        function = LABELLED[name].function
        if "weights" in inspect.signature(function).parameters:
            expected = function(X, LABELS, weights=weights, **learnt)
        else:
            expected = (weights * function(X, LABELS, reduction="none", **learnt)).sum() / weights.sum()
        near(loss(LABELS, X, sample_weight=weights), expected, 1e-4)
        near(loss(LABELS, X, sample_weight=weights[:, None]), expected, 1e-4)
        near(loss(LABELS, X, sample_weight=np.full(8, 1 / 3)), loss(LABELS, X, np.ones(8)), 1e-4)
    loss, _ = made("SupConLoss")
    history = identity(loss).fit(X, LABELS, sample_weight=weights, batch_size=8, verbose=0).history
    near(history["loss"][0], losses.supcon_loss(X, LABELS, weights=weights), 1e-4)


def check_weights_of_explicit_pairs():
    # d = 1 and 0.5; terms 0.5 * 1 and 0.5 * 0.25, weighted 1 and 3
    pairs = np.array([[[0.0], [1.0]], [[0.0], [0.5]]], np.float32)
    loss = nearfar.keras.PairContrastiveLoss()
    near(loss(np.array([True, False]), pairs), 0.3125)
    near(loss(np.array([True, False]), pairs, sample_weight=np.array([1.0, 3.0])), (0.5 + 3 * 0.125) / 4)
    near(
        nearfar.keras.PairContrastiveLoss(reduction="sum")(np.array([1, 0]), pairs, np.array([1.0, 3.0])),
        0.875,
    )
    triplets = RNG.normal(size=(4, 3, 5)).astype(np.float32)
    weights, parts = np.array([1.0, 0, 2, 3]), np.moveaxis(triplets, 1, 0)
    expected = losses.triplet_margin_loss(*parts, weights=weights, reduction="active_mean")
    loss = nearfar.keras.TripletMarginLoss(reduction="active_mean")
    near(loss(None, triplets, sample_weight=weights[:, None]), expected, 1e-4)
    rows = triplets.reshape(12, 5)  # fit wants a weight for each row
    near(loss(None, rows, sample_weight=np.repeat(weights, 3)), expected, 1e-4)


def check_explicit_triplets_in_three_layouts():
    rows = RNG.normal(size=(12, SIZE)).astype(np.float32)
    expected = losses.triplet_margin_loss(rows[0::3], rows[1::3], rows[2::3])
    loss = nearfar.keras.TripletMarginLoss()
    for layout in (rows, rows.reshape(4, 3, SIZE), [rows[0::3], rows[1::3], rows[2::3]]):
        near(loss(None, layout), expected)
    pairs, same = nearfar.keras.PairContrastiveLoss(), np.array([1, 0, 0, 1, 1, 0])
    expected = losses.pair_contrastive_loss(rows[0::2], rows[1::2], same)
    for layout, labels in (
        (rows, same),
        (rows, np.repeat(same, 2)),
        (rows.reshape(6, 2, SIZE), same[:, None]),
    ):
        near(pairs(labels, layout), expected)


def check_half_precision_is_computed_in_float32():
    x = (X * 8).round() / 8
    value = nearfar.keras.TripletLoss()(LABELS, keras.ops.cast(x, "float16"))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    near(value, losses.triplet_loss(x, LABELS))


def check_a_compiled_model_saves_and_loads():
    loss = nearfar.keras.TripletLoss(margin=0.4, mining="hard", distance="squared_euclidean", name="own")
    inputs = keras.Input((SIZE,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("adam", loss=loss)
    model.fit(X, LABELS, batch_size=8, verbose=0)
    loaded = saved_and_loaded(model)
    assert repr(loaded.loss) == repr(loss) and loaded.loss.name == "own"
    before = model.evaluate(X, LABELS, batch_size=8, verbose=0)
    near(loaded.evaluate(X, LABELS, batch_size=8, verbose=0), before)


@keras.saving.register_keras_serializable(package="nearfar_tests")
def doubled_cosine(x, y):
    x, y = keras.ops.normalize(x, axis=1), keras.ops.normalize(y, axis=1)
    return 2 - 2 * keras.ops.matmul(x, keras.ops.transpose(y))


def check_options_that_are_functions_save_and_load():
    loss = nearfar.keras.TripletLoss(distance=doubled_cosine)
    again = saved_and_loaded(identity(loss)).loss
    near(again(LABELS, X), 2 * losses.triplet_loss(X, LABELS, distance="cosine", margin=0.1))


def check_what_is_learnt_is_in_the_model():
    loss, _ = made("ProxyAnchorLoss")
    model = identity(loss)
    before = numpy(loss.layer.proxies).copy()
    history = model.fit(X, LABELS, batch_size=8, epochs=5, verbose=0).history["loss"]
    assert np.abs(numpy(loss.layer.proxies) - before).max() > 1e-3
    assert history[-1] < history[0]
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


def check_what_is_learnt_saves_and_loads_with_the_model():
    functional, _ = made("SoftTripleLoss")
    sequential, _ = made("ProxyAnchorLoss")
    layers = [keras.Input((SIZE,)), keras.layers.Dense(SIZE), sequential.layer]
    for loss, model in ((functional, identity(functional)), (sequential, keras.Sequential(layers))):
        model.compile("adam", loss=loss)
        model.fit(X, LABELS, batch_size=8, verbose=0)
        loaded = saved_and_loaded(model)
        np.testing.assert_array_equal(numpy(loaded.loss.layer.proxies), numpy(loss.layer.proxies))
        assert loaded.loss.layer is loaded.layers[-1] and loaded.loss.layer is not loss.layer
        near(loaded.loss(LABELS, X), loss(LABELS, X))
    loaded.fit(X, LABELS, batch_size=8, verbose=0)
    assert np.abs(numpy(loaded.loss.layer.proxies) - numpy(loss.layer.proxies)).max() > 1e-4


def check_what_is_learnt_but_in_no_model_is_told():
    loss = nearfar.keras.ProxyAnchorLoss(**SIZES)
    try:
        loss(LABELS, X)
    except ValueError as error:
        assert "loss.layer" in str(error)
    else:
        raise AssertionError("untrained proxies were used")


def check_options_can_be_learnt():
    loss = nearfar.keras.MarginLoss(learn=["beta"], beta=0.5)
    model = identity(loss)
    model.fit(X, LABELS, batch_size=8, verbose=0)
    beta = float(numpy(loss.layer.beta))
    assert beta != 0.5
    near(loss(LABELS, X), losses.margin_loss(X, LABELS, beta=beta), 1e-4)
    near(saved_and_loaded(model).loss.layer.beta, beta)


def check_proxies_start_where_they_are_told():
    proxies = RNG.normal(size=(CLASSES, SIZE)).astype(np.float32)
    loss = nearfar.keras.ArcFaceLoss(**SIZES, proxies=proxies)
    near(loss.layer.proxies, proxies)
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        drawn.append(numpy(nearfar.keras.ArcFaceLoss(**SIZES).layer.proxies))
    np.testing.assert_array_equal(*drawn)
    assert 0.5 < np.linalg.norm(drawn[0], axis=1).mean() < 1.5


def check_balanced_batches_train_a_model():
    labels = np.arange(60) // 6
    inputs = {"images": np.arange(60.0)[:, None] + np.zeros((60, SIZE)), "more": np.zeros((60, 1))}
    batches = nearfar.keras.BalancedBatches(inputs, labels, 5, 2, seed=1)
    assert len(batches) == 6
    x, y = batches[2]
    np.testing.assert_array_equal(x["images"][:, 0] // 6, y)
    assert np.unique(y, return_counts=True)[1].tolist() == [2] * 5
    first = [batches[i][1].tolist() for i in range(6)]
    batches.on_epoch_end()
    assert [batches[i][1].tolist() for i in range(6)] != first
    again = nearfar.keras.BalancedBatches(lambda rows: rows, labels, 5, 2, seed=1, epoch=1)
    np.testing.assert_array_equal(again[0][1], batches[0][1])
    np.testing.assert_array_equal(again[0][0] // 6, again[0][1])
    seen = []
    reader = nearfar.keras.BalancedBatches(lambda rows: seen.append(rows) or X[rows % 8], labels, 5, 2)
    identity(nearfar.keras.TripletLoss()).fit(reader, epochs=2, verbose=0)
    assert len({tuple(rows) for rows in seen}) >= 12  # the second epoch has batches of its own


def check_wrong_options_are_told():
    for options, error, words in (
        ({"margn": 1.0}, TypeError, "did you mean margin?"),
        ({"reduction": "average"}, ValueError, "'average'"),
        ({"mining": "hardest"}, ValueError, "'hardest'"),
    ):
        try:
            nearfar.keras.TripletLoss(**options)
        except error as told:
            assert words in str(told), told
        else:
            raise AssertionError(options)
