"""Cross-batch memory: older batches as references, counted as a loop over a queue counts them."""

import io

import keras_checks
import numpy as np
import pytest

from nearfar import losses, memory

SIZE, DIMENSION, BATCH = 10, 3, 4


def batches(count, dtype=np.float64):
    generator = np.random.default_rng(0)
    return [
        (
            generator.normal(size=(BATCH, DIMENSION)).astype(dtype),
            generator.integers(0, 3, BATCH).astype(np.int32),
        )
        for _ in range(count)
    ]


def contrastive_over_queue(x, labels, queue, queue_labels, negative_margin):
    """Every (batch row, other batch row or queued row) pair, as the paper's memory has them."""
    near, far = [], []
    for a in range(len(x)):
        others = [(x[i], labels[i]) for i in range(len(x)) if i != a] + list(
            zip(queue, queue_labels, strict=True)
        )
        for row, label in others:
            d = np.sqrt(((x[a] - row) ** 2).sum())
            if label == labels[a]:
                near.append(d**2)
            else:
                far.append(max(0.0, negative_margin - d) ** 2)
    return (np.mean(near) if near else 0.0) + (np.mean(far) if far else 0.0)


def step(state, x, labels):
    references, pairs = memory.references(memory.Memory(*state), x, labels)
    value = losses.contrastive_loss(x, pairs, references=references, negative_margin=3.0)
    return value, *memory.update(memory.Memory(*state), x, labels)


def start():
    return tuple(memory.init(SIZE, DIMENSION, like=np.zeros(0), labels_like=np.zeros(0, np.int32)))


def test_losses_are_those_of_a_queue(framework):
    state, queue, queue_labels = start(), [], []
    for x, labels in batches(6):  # the queue of 10 overflows in the third
        expected = contrastive_over_queue(x, labels, queue, queue_labels, 3.0)
        value, *state = framework(lambda *t: step(t[:3], *t[3:]), *state, x, labels)
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        queue, queue_labels = [*x, *queue][:SIZE], [*labels, *queue_labels][:SIZE]


def test_compiled_steps_give_the_eager_losses(compiled):
    eager, state, other = type(compiled)(compiled.name), start(), start()
    for x, labels in batches(4):
        value, *state = compiled(lambda *t: step(t[:3], *t[3:]), *state, x, labels)
        expected, *other = eager(lambda *t: step(t[:3], *t[3:]), *other, x, labels)
        np.testing.assert_allclose(value, expected, rtol=1e-10)


def test_gradients_reach_the_batch_on_both_sides_and_not_the_memory(differentiable):
    (x, labels), (old, old_labels) = batches(2)
    state = [np.asarray(s) for s in memory.update(memory.Memory(*start()), old, old_labels)]

    def loss(x, table, labels, kinds, filled):
        return step((table, kinds, filled), x, labels)[0]

    arguments = (x, state[0], labels, state[1], state[2])
    _, (gradient, _) = differentiable.value_and_gradients(loss, *arguments)
    direction = np.random.default_rng(1).normal(size=x.shape)
    up, down = (
        contrastive_over_queue(x + t * direction, labels, old, old_labels, 3.0) for t in (1e-6, -1e-6)
    )
    np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-6, rtol=1e-6)

    def through_update(x, labels, table, kinds, filled):
        later = memory.update(memory.Memory(table, kinds, filled), x, labels)
        references, pairs = memory.references(later, x * 0, labels)
        return losses.contrastive_loss(x * 0, pairs, references=references)

    _, (gradient, _) = differentiable.value_and_gradients(through_update, x, labels, *state)
    assert not gradient.any()


def test_an_empty_memory_changes_nothing(framework):
    x, labels = batches(1)[0]

    def with_memory(x, labels):
        references, pairs = memory.references(memory.init(SIZE, DIMENSION, like=x), x, labels)
        return losses.supcon_loss(x, pairs, references=references)

    expected = framework(losses.supcon_loss, x, labels)
    np.testing.assert_allclose(framework(with_memory, x, labels), expected, rtol=1e-12)


def test_a_checkpoint_goes_on_where_it_stopped():
    state = memory.Memory(*start())
    for x, labels in batches(2):
        state = memory.update(state, x, labels)
    file = io.BytesIO()
    np.savez(file, **state._asdict())
    file.seek(0)
    loaded = memory.Memory(**np.load(file))
    x, labels = batches(3)[2]
    assert step(loaded, x, labels)[0] == step(state, x, labels)[0]


def test_a_torch_checkpoint_goes_on_where_it_stopped():
    torch = pytest.importorskip("torch")
    state = memory.init(SIZE, DIMENSION, like=torch.zeros(1))
    for x, labels in batches(2, np.float32):
        state = memory.update(state, torch.as_tensor(x), torch.as_tensor(labels))
    file = io.BytesIO()
    torch.save(state._asdict(), file)
    file.seek(0)
    loaded = memory.Memory(**torch.load(file))
    assert all(torch.equal(a, b) for a, b in zip(loaded, state, strict=True))


def test_a_jax_checkpoint_goes_on_where_it_stopped():
    jnp = pytest.importorskip("jax.numpy")
    serialization = pytest.importorskip("flax.serialization")
    start = state = memory.init(SIZE, DIMENSION, like=jnp.zeros(1))
    for x, labels in batches(2, np.float32):
        state = memory.update(state, jnp.asarray(x), jnp.asarray(labels))
    loaded = serialization.from_bytes(start, serialization.to_bytes(state))
    assert isinstance(loaded, memory.Memory)
    for a, b in zip(loaded, state, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("check", keras_checks.names("memory"))
@pytest.mark.parametrize("backend", keras_checks.BACKENDS)
def test_keras(backend, check):
    failure = keras_checks.results(backend)[check]
    assert not failure, failure


def test_a_batch_larger_than_the_memory_fits():
    x, labels = np.arange(8.0)[:, None], np.arange(8)
    state = memory.update(memory.init(3, 1), x, labels)
    assert state.labels.tolist() == [0, 1, 2]
    assert state.filled.tolist() == [1, 1, 1]


def test_half_precision_is_kept_in_float32(framework):
    def function(x, labels):
        return memory.update(memory.init(SIZE, DIMENSION, like=x), x, labels).embeddings

    x, labels = batches(1, np.float16)[0]
    kept = framework(function, x, labels)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept[:BATCH], x)


def test_64_bit_labels_stay_distinct(framework):
    x = np.eye(2, DIMENSION)
    labels = np.array([5, 5 + 2**32])

    def function(x, labels):
        state = memory.init(SIZE, DIMENSION, like=x, labels_like=labels)
        return memory.references(memory.update(state, x, labels), x, labels)[1].positive

    positive = framework(function, x, labels)
    assert positive.sum() == 2  # each with its own copy in the memory alone


def test_wide_labels_are_not_cut_in_silence():
    tf = pytest.importorskip("tensorflow")
    state = memory.init(SIZE, DIMENSION, like=tf.zeros((1, DIMENSION)))
    with pytest.raises(TypeError, match="labels_like"):
        memory.update(state, tf.zeros((2, DIMENSION)), tf.constant([1, 2], tf.int64))


@pytest.mark.parametrize(
    ("x", "labels", "error", "text"),
    [
        (np.zeros((2, 5)), np.zeros(2, int), ValueError, r"expected \(n, 3\)"),
        (np.zeros((2, 3)), np.zeros(3, int), ValueError, "one per row"),
        (np.zeros((2, 3)), np.zeros(2), TypeError, "expected integers"),
    ],
)
def test_wrong_batches_are_refused(x, labels, error, text):
    state = memory.init(SIZE, DIMENSION)
    for function in (memory.update, memory.references):
        with pytest.raises(error, match=text):
            function(state, x, labels)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="size is 0"):
        memory.init(0, 2)


def test_losses_equal_pytorch_metric_learnings():
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("pytorch_metric_learning.losses")
    size = 8
    state = memory.init(size, DIMENSION, like=torch.zeros(0, dtype=torch.float64))
    # theirs counts the batch as part of the memory
    peer = peers.CrossBatchMemory(
        peers.SupConLoss(temperature=0.5), embedding_size=DIMENSION, memory_size=size + BATCH
    )
    for x, labels in batches(6):
        x, labels = torch.as_tensor(x), torch.as_tensor(labels).long()
        references, pairs = memory.references(state, x, labels)
        value = losses.supcon_loss(x, pairs, references=references, temperature=0.5, reduction="active_mean")
        torch.testing.assert_close(value, peer(x, labels), rtol=1e-9, atol=0)
        state = memory.update(state, x, labels)
