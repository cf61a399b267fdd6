import shutil

import numpy as np
import pytest
from data_files import check_parts, message, write_images

from nearfar.data import load

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

# built-in sets


def test_glyphs_train_on_250_characters_and_measure_150_others():
    data = load("glyphs")
    check_parts(data)
    assert (len(data.train), len(data.test), data.train.shape) == (4000, 2400, (24, 24, 1))
    assert (np.bincount(data.train.labels) == 16).all() and len(np.bincount(data.train.labels)) == 250
    assert not np.intersect1d(data.train.labels, data.test.labels).size
    names = data.train.class_names
    assert (names[0], names[249], names[250], names[399]) == (
        "与",
        "章",
        "竣",
        "黛",
    )  # as the data's page says
    assert data.train.ids[9] == "与/Stick" and data.split == "class" and data.kind == "image"


def test_glyphs_are_what_their_page_says():
    data = load("glyphs")
    images = np.concatenate([data.train.read(slice(None)), data.test.read(slice(None))])
    assert images.min() == 0 and images.max() == 1
    assert len(np.unique(images.reshape(6400, -1), axis=0)) == 6400
    assert images[:, [0, -1]].max() == 0 and images[:, :, [0, -1]].max() == 0
    # published of the 8-bit original; 16 greys stay within a level or so
    assert abs(images.mean() * 255 - 55.2) < 0.5 and abs(images.std() * 255 - 85.5) < 0.5


def test_glyphs_can_be_split_otherwise():
    assert load("glyphs", split="given").split == "class"
    by_sample = load("glyphs", split="sample", test_fraction=0.25)
    assert np.bincount(by_sample.test.labels).tolist() == [4] * 400
    by_class = load("glyphs", split="class", test_fraction=0.1)
    assert len(np.unique(by_class.test.labels)) == 40 and len(by_class.train) == 5760
    check_parts(by_class)


def test_digits_are_split_by_sample():
    from sklearn.datasets import load_digits

    data = load("digits")
    check_parts(data)
    assert data.split == "sample" and len(data.train) + len(data.test) == 1797
    row = int(data.test.ids[3].removeprefix("digits/"))
    np.testing.assert_allclose(data.test.read([3])[0, :, :, 0], load_digits().images[row] / 16)
    assert data.test.class_names[data.test.labels[3]] == str(load_digits().target[row])


# splits


def test_split_by_class_is_disjoint_seeded_and_keeps_everything():
    one, same, other = (load("digits", split="class", seed=seed) for seed in (1, 1, 2))
    assert not np.intersect1d(one.train.labels, one.test.labels).size
    assert len(one.train) + len(one.test) == 1797 and one.split == "class"
    assert list(one.test.ids) == list(same.test.ids) != list(other.test.ids)
    assert len(np.unique(one.test.labels)) == 3  # 0.3 of ten


def test_split_by_sample_leaves_two_of_each_class_on_either_side(tmp_path):
    y = np.repeat([0, 1, 2], [3, 4, 40])
    np.savez(tmp_path / "a.npz", x=np.arange(47.0)[:, None], y=y)
    data = load(tmp_path / "a.npz", test_fraction=0.1)
    assert np.bincount(data.train.labels).tolist() == [3, 2, 36]
    assert np.bincount(data.test.labels).tolist() == [0, 2, 4]


def test_auto_splits_images_of_twenty_classes_by_class(tmp_path):
    x, y = np.zeros((80, 4, 4), np.uint8), np.repeat(np.arange(20), 4)
    np.savez(tmp_path / "many.npz", x=x, y=y)
    np.savez(tmp_path / "few.npz", x=x, y=y // 2)
    np.savez(tmp_path / "table.npz", x=x.reshape(80, 16), y=y)
    np.savez(
        tmp_path / "three.npz", x=x.reshape(80, 16)[:12], y=np.arange(12) // 3
    )  # too few to split by sample
    splits = [load(tmp_path / f"{name}.npz").split for name in ("many", "few", "table", "three")]
    assert splits == ["class", "sample", "sample", "class"]


def test_given_parts_without_a_common_class_are_a_split_by_class(tmp_path):
    split = np.array(["train", "test"])[np.repeat([0, 0, 1, 1], 3)]
    np.savez(
        tmp_path / "a.npz", x=np.arange(12.0)[:, None], y=np.repeat(["a", "d", "b", "c"], 3), split=split
    )
    data = load(tmp_path / "a.npz")
    assert data.split == "class"
    assert data.test.class_names == ("a", "d", "b", "c")  # classes that train come first


@pytest.mark.parametrize("limit", [4, 50, 333])
def test_limit_keeps_classes_that_can_be_learnt(limit):
    data = load("glyphs", limit=limit)
    check_parts(data)
    for part in (data.train, data.test):
        counts = np.unique(part.labels, return_counts=True)[1]
        assert len(part) == limit and counts.min() >= 2 and counts.max() - counts.min() <= 1


def test_limit_keeps_the_same_classes_in_both_parts():
    data = load("glyphs", split="sample", limit=40)
    assert set(data.test.labels) == set(data.train.labels)


def test_wrong_options_are_named():
    assert "split is 'random'; expected one of auto, class, sample, given" in message(
        "glyphs", split="random"
    )
    assert "test_fraction is 1.5" in message("glyphs", test_fraction=1.5)
    assert "limit is 2; expected at least 4" in message("glyphs", limit=2)
    assert "image_size is 0" in message("glyphs", image_size=0)
    assert "seed is -1" in message("glyphs", seed=-1)
    assert "digits does not say which samples are for testing" in message("digits", split="given")
    assert "leave the test fraction out" in message("glyphs", split="given", test_fraction=0.2)


def test_split_by_class_needs_four_classes(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.repeat([0, 1, 2], 3))
    sentence = message(tmp_path / "a.npz", split="class")
    assert "at least four classes" in sentence and "has 3" in sentence and "--split sample" in sentence


def test_split_by_sample_needs_a_class_of_four(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.repeat([0, 1, 2], 3))
    sentence = message(tmp_path / "a.npz", split="sample")
    assert "at least four samples" in sentence and "'0', has 3" in sentence and "--split class" in sentence


def test_one_class_is_not_enough(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.full(9, 7))
    assert "the data has one class only, '7'" in message(tmp_path / "a.npz")
    split = np.array(["train"] * 5 + ["test"] * 4)
    np.savez(tmp_path / "b.npz", x=np.zeros((9, 2)), y=np.repeat([7, 8], [5, 4]), split=split)
    assert "the training part has one class only, '7'" in message(tmp_path / "b.npz")


def test_class_with_one_sample_is_named_and_can_be_left_out(tmp_path):
    write_images(tmp_path / "set", {"ant": 4, "bee": 1, "cat": 5})
    sentence = message(tmp_path / "set")
    assert "class 'bee' has one sample in the data (bee/0.png)" in sentence and "--skip-single" in sentence
    with pytest.warns(UserWarning, match="1 classes with a single sample are left out, e.g. 'bee'"):
        data = load(tmp_path / "set", skip_single=True)
    assert data.train.class_names == ("ant", "cat") and len(data.train) + len(data.test) == 9


def test_several_classes_with_one_sample_are_counted(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)), y=[0, 0, 0, 0, 5, 6])
    assert "2 classes have one sample in the data, e.g. '5' (row 4)" in message(tmp_path / "a.npz")


def test_test_part_must_allow_a_measurement(tmp_path):
    split = np.array(["train"] * 4 + ["test"] * 2)
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)), y=[0, 0, 1, 1, 0, 1], split=split)
    assert "no class has two of the 2 samples of the test part" in message(tmp_path / "a.npz")


def test_labels_keep_their_64_bits_and_their_names(tmp_path):
    big = 2**62
    np.savez(tmp_path / "a.npz", x=np.zeros((12, 1)), y=np.repeat([big + 1, big, -5], 4)[:, None])
    assert load(tmp_path / "a.npz").train.class_names == ("-5", str(big), str(big + 1))
    np.savez(tmp_path / "b.npz", x=np.zeros((8, 1)), y=np.repeat([1.0, 0.0], 4))
    assert load(tmp_path / "b.npz").train.class_names == ("0", "1")
    np.savez(tmp_path / "c.npz", x=np.zeros((8, 1)), y=np.repeat([b"ab", b"c"], 4))
    assert load(tmp_path / "c.npz").train.class_names == ("ab", "c")


# what is no data at all


def test_missing_path_empty_folder_and_unknown_kind_list_what_is_read(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    for source, words in (
        ("gone", "does not exist"),
        ("empty", "is an empty folder"),
        ("notes.txt", "no known kind"),
    ):
        sentence = message(str(tmp_path / source))
        assert source in sentence and words in sentence
        assert "glyphs, digits" in sentence and ".parquet" in sentence


def test_folder_without_data_says_what_was_expected(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("hello")
    assert "class folders of images" in message(tmp_path) and "IDX" in message(tmp_path)
    write_images(tmp_path / "else", {"a": 1})
    (tmp_path / "else" / "a" / "0.png").rename(tmp_path / "one.png")
    shutil.rmtree(tmp_path / "else")
    assert "1 images but no class folders" in message(tmp_path)


def test_data_is_read_by_index(tmp_path):
    part = load("digits").train
    everything = part.read(slice(None))
    for indices in ([3, 1, 3], np.array([5], np.int32), slice(2, 9, 3), np.arange(len(part)) % 2 == 0):
        np.testing.assert_array_equal(part.read(indices), everything[indices])
    with pytest.raises(IndexError):
        part.read([len(part)])
