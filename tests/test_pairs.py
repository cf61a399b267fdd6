"""Masks of positives and negatives."""

import numpy as np
import pytest

from nearfar import pairs

LABELS = np.array([0, 1, 0, 2], np.int64)


def test_labels_by_hand(framework):
    positive, negative = framework(lambda y: tuple(pairs.from_labels(y)), LABELS)
    assert positive.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert negative.tolist() == [[0, 1, 0, 1], [1, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]]


def test_reference_labels_pair_everything(framework):
    positive, negative = framework(lambda y, z: tuple(pairs.from_labels(y, z)), LABELS, LABELS[:2])
    assert positive.tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert (positive ^ negative).all()


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "bool"])
def test_labels_of_any_width(framework, kind):
    labels = np.array([0, 1, 0]).astype(kind)
    assert framework(lambda y: tuple(pairs.from_labels(y)), labels)[0].tolist() == [
        [0, 0, 1],
        [0, 0, 0],
        [1, 0, 0],
    ]


def test_neighbouring_64_bit_ids_stay_distinct(framework):
    labels = np.array([2**62, 2**62 + 1, 2**62], np.int64)
    assert framework(lambda y: tuple(pairs.from_labels(y)), labels)[0].tolist() == [
        [0, 0, 1],
        [0, 0, 0],
        [1, 0, 0],
    ]


def test_strings_where_the_framework_has_them(framework):
    if framework.name == "torch":
        pytest.skip("torch has no strings")
    labels = np.array(["a", "b", "a"])
    if framework.name == "jax":  # JAX has none of its own: NumPy's become codes beside JAX embeddings
        from nearfar import losses

        x = np.random.default_rng(0).normal(size=(3, 2))
        expected = losses.contrastive_loss(x, np.array([0, 1, 0]))
        found = losses.contrastive_loss(framework.tensor(x), labels)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        return
    assert framework(lambda y: tuple(pairs.from_labels(y)), labels)[0].tolist() == [
        [0, 0, 1],
        [0, 0, 0],
        [1, 0, 0],
    ]


def test_multilabels_by_hand(framework):
    tags = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], np.int32)
    positive, negative = framework(lambda y: tuple(pairs.from_multilabels(y)), tags)
    assert positive.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert negative.tolist() == [[0, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]]
    # Jaccard: rows 0 and 1 share 1 of 3, rows 1 and 2 share 1 of 2
    positive, _ = framework(lambda y: tuple(pairs.from_multilabels(y, threshold=0.5)), tags)
    assert positive.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_indices_mark_their_pairs(framework):
    def masks(anchors, references):
        return tuple(pairs.from_indices((anchors, references), (references, anchors), (3, 4)))

    positive, negative = framework(masks, np.array([0, 2, 0]), np.array([1, 0, 1]))
    assert positive.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert negative.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_views_pair_copies_of_one_sample(framework):
    positive, negative = framework(lambda x: tuple(pairs.from_views(2, x, views=3)), np.zeros((6, 1)))
    assert positive[1].tolist() == [0, 0, 0, 1, 0, 1]
    assert negative[1].tolist() == [1, 0, 1, 0, 1, 0]


def test_wrong_input_is_told():
    with pytest.raises(ValueError, match=r"labels has shape \(2, 2\); expected one label per row"):
        pairs.from_labels(np.zeros((2, 2), int))
    with pytest.raises(TypeError, match="labels is of type float64; expected integers, bool or strings"):
        pairs.from_labels(np.zeros(2))
    with pytest.raises(
        ValueError, match=r"labels has shape \(2, 3\) and the references' \(2, 2\); expected multi-hot"
    ):
        pairs.from_multilabels(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"an index list of \(2,\) anchors came with \(1,\) references"):
        pairs.from_indices((np.zeros(2, int), np.zeros(1, int)), (np.zeros(1, int), np.zeros(1, int)), (3, 3))
