"""The networks."""

import numpy as np
import pytest
from training_setup import SMALL, keras

from nearfar.training import ConfigError, TrainConfig, TrainingError, train
from nearfar.training.learner import MetricLearner
from nearfar.training.models import build_model
from nearfar.training.objective import Objective
from nearfar.training.schedules import make_optimizer


@pytest.mark.parametrize("name", ["cnn", "resnet", "mlp"])
@pytest.mark.parametrize("shape", [(24, 24, 1), (8, 8, 1), (28, 20, 3)])
def test_models_give_rows_of_length_one(name, shape):
    model = build_model(name, shape, {}, 12)
    out = model.predict_on_batch(np.random.default_rng(0).random((3, *shape), np.float32))
    assert out.shape == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet", "mlp"])
def test_a_black_image_leaves_the_weights_finite(name):
    # its embedding is a row of zeros, whose length has no slope
    images = np.zeros((6, 8, 8, 1), np.float32)
    images[2:] = np.random.default_rng(0).random((4, 8, 8, 1))
    learner = MetricLearner(build_model(name, (8, 8, 1), {}, 6), Objective("triplet_loss", {}, 3, 6))
    learner.compile(optimizer=make_optimizer("adam", 1e-3, "constant", 2, 0.0))
    for _ in range(2):
        learner.train_on_batch(images, np.array([0, 0, 1, 1, 2, 2], np.int32))
    assert all(np.isfinite(weights).all() for weights in learner.network.get_weights())


def network_of_nan(input_shape):
    layer = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(float("nan")))
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), layer])


def test_a_run_that_diverges_says_so(tmp_path):
    options = {**SMALL, "model": f"{__name__}:network_of_nan", "model_options": {}}
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        train(TrainConfig(**options, out=str(tmp_path / "run")), say=lambda line: None)


def test_cnn_is_the_tutorials_network():
    layers = [type(layer).__name__ for layer in build_model("cnn", (28, 28, 1), {}).layers]
    block = ["Conv2D", "MaxPooling2D", "Dropout"]
    assert layers == ["InputLayer", *block, *block, "Flatten", "Dense"]
    # 2*2*1*64 + 64, 2*2*64*32 + 32, 7*7*32*256 + 256
    assert build_model("cnn", (28, 28, 1), {}).count_params() == 320 + 8224 + 401_664


@pytest.mark.parametrize(
    ("name", "shape", "options", "words"),
    [
        ("cnn", (20,), {}, "takes images"),
        ("resnet", (8, 8, 1), {"depth": 3}, "expected width, normalize"),
        ("cnn", (8, 8, 1), {"filters": 3}, "cannot be made"),
        ("nearfar_no_such:thing", (8, 8, 1), {}, "no module 'nearfar_no_such'"),
        ("nearfar.data:thing", (8, 8, 1), {}, "nothing named 'thing'"),
        ("builtins:dict", (8, 8, 1), {}, "expected a keras.Model or a torch.nn.Module"),
    ],
)
def test_a_model_that_cannot_be_says_why(name, shape, options, words):
    with pytest.raises(ConfigError, match=words):
        build_model(name, shape, options)


def flat_network(input_shape):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(3)])


def test_outputs_that_are_no_embeddings_are_refused():
    with pytest.raises(ConfigError, match=r"expected \(n, d\)"):
        build_model(f"{__name__}:flat_network", (8, 8, 1), {})
