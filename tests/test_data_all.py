"""`load_all`: other data brought to the form of the training data."""

import warnings

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

from data_files import ten_rows, write_idx, write_images, write_table
from PIL import Image

from nearfar.data import DataError, Preparation, load, load_all


def test_all_samples_are_read_in_order():
    whole = load_all("glyphs")
    parts = load("glyphs")
    assert len(whole) == 6400 and whole.class_names[whole.labels[16]] == whole.ids[16][0]
    np.testing.assert_array_equal(whole.read(slice(0, 4000)), parts.train.read(slice(None)))
    np.testing.assert_array_equal(whole.read(slice(4000, None)), parts.test.read(slice(None)))


def test_table_is_standardised_as_in_training(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (40, 2))
    np.savez(tmp_path / "old.npz", x=x, y=np.arange(40) % 2, split=np.array(["train"] * 30 + ["test"] * 10))
    old = load(tmp_path / "old.npz")
    preparation = old.train.preparation
    np.testing.assert_allclose(preparation.mean, x[:30].mean(axis=0))
    np.testing.assert_allclose(preparation.deviation, x[:30].std(axis=0))
    new = rng.normal(9.0, 1.0, (5, 2))
    np.savez(tmp_path / "new.npz", x=new)  # no labels
    found = load_all(tmp_path / "new.npz", like=preparation)
    np.testing.assert_allclose(
        found.read(slice(None)), (new - x[:30].mean(axis=0)) / x[:30].std(axis=0), rtol=1e-5
    )
    assert found.labels.tolist() == [-1] * 5 and found.class_names == () and found.ids[4] == "row 4"
    np.testing.assert_array_equal(
        load_all(tmp_path / "old.npz", like=preparation).read([3]), old.train.read([3])
    )


def test_table_may_lack_the_label_column_but_not_a_named_one(tmp_path):
    path = write_table(tmp_path / "a.csv", ten_rows(label=None))
    assert load_all(path).labels.tolist() == [-1] * 10
    assert load_all(write_table(tmp_path / "b.csv", ten_rows())).labels.tolist() == [0, 1] * 5
    with pytest.raises(DataError, match="no column 'who'"):
        load_all(path, label="who")


def test_images_come_to_the_shape_and_the_colours_of_training(tmp_path):
    write_images(tmp_path / "old", {"a": 4, "b": 4}, size=(8, 6))
    preparation = load(tmp_path / "old").train.preparation
    assert preparation == Preparation((6, 8, 1))
    (tmp_path / "new").mkdir()
    Image.new("RGB", (16, 16), (255, 255, 255)).save(tmp_path / "new" / "square.png")
    found = load_all(tmp_path / "new", like=preparation)
    expected = np.zeros((6, 8), np.float32)
    expected[:, 1:7] = 1  # scaled to 6 x 6, centred
    np.testing.assert_array_equal(found.read([0])[0, :, :, 0], expected)
    assert found.ids == ["square.png"] and found.labels.tolist() == [-1]
    one = load_all(tmp_path / "new" / "square.png", like=preparation)
    np.testing.assert_array_equal(one.read([0]), found.read([0]))
    again = load_all(tmp_path / "old", like=preparation)
    assert again.labels.tolist() == [0] * 4 + [1] * 4 and again.class_names == ("a", "b")
    assert (again.read(slice(None))[:, 0, 0, 0] == np.arange(8, dtype=np.float32) / 255).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_arrays_come_to_the_channels_of_training(tmp_path, channels):
    write_idx(tmp_path / "images-idx3-ubyte", np.full((4, 6, 6), 51, np.uint8))
    write_idx(tmp_path / "labels-idx1-ubyte", np.zeros(4, np.uint8))
    found = load_all(tmp_path, like=Preparation((3, 3, channels)))
    colour = [0.2] * min(channels, 3) + [1.0] * (channels - 3)  # alpha is opaque
    np.testing.assert_allclose(
        found.read([1]), np.broadcast_to(np.array(colour), (1, 3, 3, channels)), atol=1e-6
    )
    Image.new("L", (6, 6), 51).save(tmp_path / "one.png")
    np.testing.assert_array_equal(
        load_all(tmp_path / "one.png", like=Preparation((3, 3, channels))).read([0]), found.read([1])
    )


def test_loose_images_and_class_folders_together_have_no_labels(tmp_path):
    write_images(tmp_path, {"a": 2, "b": 1})
    assert load_all(tmp_path).class_names == ("a", "b")
    (tmp_path / "a" / "0.png").rename(tmp_path / "0.png")
    found = load_all(tmp_path)
    assert found.labels.tolist() == [-1] * 3 and found.ids == ["0.png", "a/1.png", "b/0.png"]


def test_unreadable_images_are_named_or_skipped(tmp_path):
    write_images(tmp_path, {"a": 3})
    (tmp_path / "a" / "1.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"a/1\.png cannot be read"):
        load_all(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_all(tmp_path, skip_unreadable=True).ids == ["a/0.png", "a/2.png"]


def test_data_of_another_kind_is_refused(tmp_path):
    path = write_table(tmp_path / "a.csv", ten_rows())
    write_images(tmp_path / "set", {"a": 2, "b": 2})
    table, image = Preparation((3,), np.zeros(3), np.ones(3)), Preparation((4, 4, 1))
    with pytest.raises(DataError, match="a has 2 features; expected 3, as in training"):
        load_all(path, like=table)
    with pytest.raises(DataError, match=r"a holds a table; expected images to be brought to \(4, 4, 1\)"):
        load_all(path, like=image)
    for source in (tmp_path / "set", "digits"):
        with pytest.raises(DataError, match="holds images; expected a table of 3 features"):
            load_all(source, like=table)
    with pytest.raises(DataError, match="does not exist"):
        load_all(tmp_path / "gone", like=image)
