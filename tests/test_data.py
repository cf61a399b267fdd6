import gzip
import pickle
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from nearfar.data import DataError, load

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")
from PIL import Image


def write_idx(path: Path, array: np.ndarray, code: int = 8) -> None:
    """The format as its header describes it: two zero bytes, type, rank, sides, data, all big-endian."""
    data = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_images(root: Path, counts: dict[str, int], size=(8, 6), mode="L", suffix="png") -> np.ndarray:
    """`counts` images a class, each of one grey: 0, 1, 2 ... in the order written."""
    grey = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new(mode, size, grey if mode == "L" else (grey, 0, 0)).save(
                root / name / f"{number}.{suffix}"
            )
            grey += 1
    return np.arange(grey)


def ten_rows(**columns):
    import pyarrow as pa

    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=10), "b": rng.integers(0, 9, 10), "label": ["x", "y"] * 5}
    return pa.table({name: value for name, value in (table | columns).items() if value is not None})


def write_table(path: Path, table) -> Path:
    from pyarrow import csv, parquet

    csv.write_csv(table, path) if path.suffix == ".csv" else parquet.write_table(table, path)
    return path


def message(source, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(source, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith((".", ")."))
    return sentence


def check_parts(data) -> None:
    for part in (data.train, data.test):
        assert len(part) == len(part.labels) == len(part.ids)
        assert part.labels.dtype == np.int64
        assert part.class_names == data.train.class_names
        assert part.read([0]).shape == (1, *part.shape)
        assert part.read([0]).dtype == np.float32
        assert part.read([]).shape == (0, *part.shape)
        assert (part.read([1, 0])[1] == part.read(slice(0, 1))[0]).all()
    trained = np.unique(data.train.labels)
    assert trained.tolist() == list(range(len(trained)))
    assert not set(data.train.ids) & set(data.test.ids)


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
    Image.new("L", (4, 4)).save(tmp_path / "one.png")
    assert "1 images but no class folders" in message(tmp_path)


# IDX


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_parts_are_kept(tmp_path, suffix):
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (n, 5, 4), dtype=np.uint8) for n in (8, 6))
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", train)
    write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([0, 1] * 4, np.uint8))
    write_idx(tmp_path / f"t10k-images-idx3-ubyte{suffix}", test)
    write_idx(tmp_path / f"t10k-labels-idx1-ubyte{suffix}", np.array([1, 1, 0] * 2, np.uint8))
    data = load(tmp_path)
    check_parts(data)
    assert data.split == "given" and data.train.shape == (5, 4, 1)
    np.testing.assert_array_equal(data.train.read(slice(None))[..., 0], (train / 255).astype(np.float32))
    np.testing.assert_array_equal(data.test.read(slice(None))[..., 0], (test / 255).astype(np.float32))
    assert data.test.labels.tolist() == [1, 1, 0] * 2
    pooled = load(tmp_path, split="sample")
    assert pooled.split == "sample" and len(pooled.train) + len(pooled.test) == 14


def test_idx_of_one_pair_and_wider_numbers(tmp_path):
    x = np.arange(8 * 4, dtype=">i4").reshape(8, 2, 2)
    write_idx(tmp_path / "images.idx3-ubyte", x, code=12)
    write_idx(tmp_path / "labels.idx1-ubyte", np.array([300, 4] * 4, ">i2"), code=11)
    data = load(tmp_path)
    assert data.split == "sample" and data.train.class_names == ("4", "300")
    row = int(data.train.ids[0].removeprefix("row "))
    np.testing.assert_allclose(data.train.read([0])[0, :, :, 0], x[row] / 255, rtol=1e-6)


def test_idx_faults_are_named(tmp_path):
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    write_idx(images, np.zeros((8, 2, 2), np.uint8))
    assert "train-images-idx3-ubyte but not its labels" in message(tmp_path)
    write_idx(labels, np.zeros(7, np.uint8))
    assert "holds 8 images but train-labels-idx1-ubyte 7 labels" in message(tmp_path)
    images.write_bytes(images.read_bytes()[:-5])
    assert "holds 27 bytes of data but its header announces (8, 2, 2), 32 bytes" in message(tmp_path)
    images.write_bytes(b"hello, this is no array")
    assert "does not begin like an IDX file" in message(tmp_path)
    images.unlink()
    whole = gzip.compress(bytes(1000))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    assert "not a whole gzip file" in message(tmp_path)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", np.zeros((7, 2), np.uint8))
    assert "has shape (7, 2)" in message(tmp_path)


def test_idx_folder_of_several_sets_is_not_guessed_at(tmp_path):
    for name in ("emnist-letters", "emnist-digits"):
        write_idx(tmp_path / f"{name}-train-images-idx3-ubyte", np.zeros((8, 2, 2), np.uint8))
        write_idx(tmp_path / f"{name}-train-labels-idx1-ubyte", np.zeros(8, np.uint8))
    assert "several data sets (emnist-digits, emnist-letters)" in message(tmp_path)


# image folders


def test_image_folder_is_read_as_it_is(tmp_path):
    write_images(tmp_path / "set", {"b": 5, "a": 6})
    (tmp_path / "set" / "a" / "Thumbs.db").write_bytes(b"not an image")
    (tmp_path / "set" / ".hidden").mkdir()
    data = load(tmp_path / "set")
    check_parts(data)
    assert data.split == "sample" and data.train.shape == (6, 8, 1) and data.train.class_names == ("a", "b")
    for part in (data.train, data.test):
        for place, name in enumerate(part.ids):
            folder, file = name.split("/")
            grey = int(file.removesuffix(".png")) + (5 if folder == "a" else 0)
            assert part.class_names[part.labels[place]] == folder
            np.testing.assert_array_equal(
                part.read([place]), np.full((1, 6, 8, 1), np.float32(grey) / np.float32(255))
            )
            assert (part.thumbnails([place]) == grey).all()


@pytest.mark.parametrize(("first", "second"), [("train", "test"), ("Train", "val")])
def test_parts_inside_an_image_folder_are_kept(tmp_path, first, second):
    write_images(tmp_path / first, {"a": 3, "b": 2})
    write_images(tmp_path / second, {"a": 2, "c": 1})
    data = load(tmp_path)
    check_parts(data)
    assert data.split == "given" and len(data.train) == 5 and len(data.test) == 3
    assert data.test.class_names == ("a", "b", "c") and data.test.ids[0] == f"{second}/a/0.png"


def test_a_third_part_is_said_to_be_unused(tmp_path):
    for part in ("train", "test", "val"):
        write_images(tmp_path / part, {"a": 2, "b": 2})
    with pytest.warns(UserWarning, match="test/ is measured; val/ is not used"):
        assert len(load(tmp_path).test) == 4


def test_classes_may_be_called_train_and_test(tmp_path):
    write_images(tmp_path, {"train": 4, "test": 4, "bus": 4})
    assert load(tmp_path).train.class_names == ("bus", "test", "train")


def test_class_folder_without_images_is_said_once(tmp_path):
    write_images(tmp_path, {"a": 4, "b": 4})
    (tmp_path / "c").mkdir()
    with pytest.warns(UserWarning, match="no images in c; not classes"):
        assert load(tmp_path).train.class_names == ("a", "b")


def test_images_of_different_sizes_keep_their_aspect_on_black(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number, size in enumerate([(40, 20), (20, 40), (20, 20), (40, 40)]):
            Image.new("L", size, 255).save(tmp_path / name / f"{number}.png")
    data = load(tmp_path)
    assert data.train.shape == (40, 40, 1)  # the median longer side
    for part in (data.train, data.test):
        for place, name in enumerate(part.ids):
            image = part.read([place])[0, :, :, 0]
            wide = np.zeros((40, 40), np.float32)
            wide[10:30] = 1  # 40 x 20 stays, centred
            expected = {"0": wide, "1": wide.T}.get(name[2], np.ones((40, 40)))
            np.testing.assert_array_equal(image, expected)
    assert load(tmp_path, image_size=16).train.shape == (16, 16, 1)


def test_photographs_are_scaled_to_64_pixels(tmp_path):
    write_images(tmp_path, {"a": 4, "b": 4}, size=(320, 240), mode="RGB", suffix="jpg")
    data = load(tmp_path)
    assert data.train.shape == (64, 64, 3)
    image = data.train.read([3])[0]
    assert (image[:8] == 0).all() and (image[-8:] == 0).all()  # 320 x 240 becomes 64 x 48
    assert data.train.thumbnails([0]).shape == (1, 32, 32, 3)


def test_kinds_of_pixels_come_to_one_form(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    pictures = {
        "a/rgb": red,
        "a/palette": red.convert("P", palette=Image.Palette.ADAPTIVE),
        "a/grey": Image.new("L", (8, 8), 51),
        "a/deep": Image.fromarray(np.full((8, 8), 257 * 51, np.uint16)),
        "b/clear": Image.new("RGBA", (8, 8), (255, 0, 0, 0)),
        "b/opaque": Image.new("RGBA", (8, 8), (255, 0, 0, 255)),
        "b/bit": Image.new("1", (8, 8), 1),
        "b/glass": Image.new("LA", (8, 8), (51, 0)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
    data = load(tmp_path)
    found = {}
    for part in (data.train, data.test):
        found |= {
            name.removesuffix(".png"): tuple(part.read([i])[0, 3, 3]) for i, name in enumerate(part.ids)
        }
    grey = (np.float32(0.2),) * 3
    assert found == {
        "a/rgb": (1, 0, 0),
        "a/palette": (1, 0, 0),
        "a/grey": grey,
        "a/deep": grey,
        "b/clear": (1, 1, 1),
        "b/opaque": (1, 0, 0),
        "b/bit": (1, 1, 1),
        "b/glass": (1, 1, 1),
    }


def test_photographs_are_turned_the_right_way_up(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown rotated by 90 degrees clockwise
    picture = Image.new("L", (16, 8))
    picture.paste(255, (0, 0, 8, 8))  # white on the left, so on top when shown
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(4):
            picture.save(tmp_path / name / f"{number}.jpg", exif=exif, quality=95)
    image = load(tmp_path).train.read([0])[0, :, :, 0]
    assert image.shape == (16, 8) and image[:7].min() > 0.9 and image[9:].max() < 0.1


def test_streaming_reads_the_same_with_any_cache(tmp_path):
    write_images(tmp_path, {"a": 30, "b": 30})
    whole, some, none = (load(tmp_path, cache_bytes=size) for size in (1 << 20, 20 * 48, 0))
    order = np.random.default_rng(0).integers(0, len(whole.train), 100)
    for _ in range(2):
        np.testing.assert_array_equal(whole.train.read(order), none.train.read(order))
        np.testing.assert_array_equal(some.train.read(order), none.train.read(order))


def test_cached_images_outlive_their_files_and_the_bound_holds(tmp_path):
    write_images(tmp_path, {"a": 10, "b": 10})
    data = load(tmp_path, cache_bytes=1 << 20)
    bounded = load(tmp_path, cache_bytes=5 * 48)
    everything = bounded.train.read(slice(None))
    for file in tmp_path.rglob("*.png"):
        file.unlink()
    np.testing.assert_array_equal(data.train.read(slice(None)), everything)
    still = 0
    for part in (bounded.train, bounded.test):
        for place in range(len(part)):
            try:
                part.read([place])
                still += 1
            except DataError as error:
                assert part.ids[place] in str(error)
    assert 0 < still <= 5


def test_parts_travel_to_other_processes(tmp_path):
    write_images(tmp_path, {"a": 5, "b": 5})
    for source in (tmp_path, "digits"):
        part = load(source).train
        copy = pickle.loads(pickle.dumps(part))
        np.testing.assert_array_equal(copy.read([2, 1]), part.read([2, 1]))


def test_many_threads_read_the_same(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    write_images(tmp_path, {"a": 100, "b": 100})
    expected = load(tmp_path, cache_bytes=0).train.read(slice(None))
    part = load(tmp_path, cache_bytes=90 * 48).train
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: part.read(slice(None)), range(12)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
@pytest.mark.parametrize("damage", ["header", "pixels", "empty"])
def test_unreadable_image_is_named_or_skipped(tmp_path, damage, cache_bytes):
    write_images(tmp_path, {"a": 5, "b": 5}, size=(64, 64), mode="RGB")
    bad = tmp_path / "b" / "2.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(bad)
    whole = bad.read_bytes()
    bad.write_bytes({"header": b"hello" * 100, "pixels": whole[: len(whole) // 2], "empty": b""}[damage])
    if damage == "pixels" and cache_bytes == 0:  # found when it is read
        part = load(tmp_path, cache_bytes=0)
        with pytest.raises(DataError, match=r"b/2\.png cannot be read as an image .*--skip-unreadable"):
            for samples in (part.train, part.test):
                samples.read(slice(None))
    else:
        sentence = message(tmp_path, cache_bytes=cache_bytes)
        assert "b/2.png cannot be read as an image" in sentence and "--skip-unreadable" in sentence
    with pytest.warns(
        UserWarning, match=r"1 of 10 images cannot be read and are left out, the first b/2\.png"
    ):
        data = load(tmp_path, skip_unreadable=True, cache_bytes=cache_bytes)
    assert len(data.train) + len(data.test) == 9
    assert "b/2.png" not in [*data.train.ids, *data.test.ids]
    data.train.read(slice(None)), data.test.read(slice(None))


def test_skipping_may_leave_a_class_too_small(tmp_path):
    for part in ("train", "test"):
        write_images(tmp_path / part, {"a": 2, "b": 2})
    (tmp_path / "train" / "b" / "0.png").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sentence = message(tmp_path, skip_unreadable=True)
    assert "class 'b' has one sample in the training part (train/b/1.png)" in sentence


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.png").write_bytes(b"no")
    assert "a/0.png cannot be read as an image" in message(tmp_path, skip_unreadable=True)
    assert "and 7 more with it" in message(tmp_path)


# npz


def test_npz_table_is_standardised_by_its_training_part(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal([1e9, 0, 5, 0.3], [1, 1e-6, 0, 0], (40, 4))
    split = np.array(["train"] * 30 + ["test"] * 10)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2, split=split)
    data = load(tmp_path / "a.npz")
    check_parts(data)
    assert data.kind == "table" and data.train.thumbnails([0]) is None and data.train.shape == (4,)
    train = data.train.read(slice(None)).astype(float)
    np.testing.assert_allclose(train[:, :2].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train[:, :2].std(axis=0), 1, rtol=1e-6)
    assert np.abs(train[:, 2:]).max() == 0  # constant columns
    expected = (x[30:, :2] - x[:30, :2].mean(axis=0)) / x[:30, :2].std(axis=0)
    np.testing.assert_allclose(data.test.read(slice(None))[:, :2], expected, rtol=1e-4, atol=1e-5)


def test_npz_images_of_every_layout_and_type(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (12, 6, 5)).astype(np.uint8)
    grey[0, 0, 0], grey[0, 0, 1] = 0, 255
    y = np.arange(12) % 2
    colour = np.stack([grey] * 3, axis=-1)
    layouts = {
        "bytes": grey,
        "unit": (grey / 255).astype(np.float64),
        "large": grey.astype(np.int64),
        "signed": grey / 255 * 2 - 1,
        "colour": colour,
        "channels first": np.moveaxis(colour, -1, 1),
    }
    for name, x in layouts.items():
        np.savez(tmp_path / "a.npz", x=x, y=y)
        data = load(tmp_path / "a.npz")
        row = int(data.train.ids[1].removeprefix("row "))
        found = data.train.read([1])[0]
        assert found.shape == ((6, 5, 3) if "co" in name or "chan" in name else (6, 5, 1)), name
        np.testing.assert_allclose(found[..., -1], grey[row] / 255, atol=1e-6, err_msg=name)
        assert (
            np.abs(data.train.thumbnails([1])[0].reshape(6, 5, -1)[..., 0] - grey[row].astype(int)).max() <= 1
        )


def test_image_size_applies_to_arrays_too(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.full((8, 10, 20), 255, np.uint8), y=np.arange(8) % 2)
    image = load(tmp_path / "a.npz", image_size=10).train.read([0])[0, :, :, 0]
    assert image.shape == (10, 10) and (image[:2] == 0).all() and (image[3:7] == 1).all()


def test_npz_faults_are_named(tmp_path):
    path = tmp_path / "a.npz"
    x, y = np.arange(16.0).reshape(8, 2), np.arange(8) % 2

    def said(**arrays):
        np.savez(path, **arrays)
        return message(path)

    assert "holds X, y; expected x and y, and optionally split (x not found)" in said(X=x, y=y)
    assert "y has shape (7,) but x has 8 rows" in said(x=x, y=y[:7])
    assert "y has shape (8, 2)" in said(x=x, y=np.eye(2)[y])
    assert "x has shape (8,)" in said(x=x[:, 0], y=y)
    assert "x has shape (8, 2, 1, 1, 1)" in said(x=x[:, :, None, None, None], y=y)
    assert "type <U" in said(x=x.astype(str), y=y)
    assert "without running code" in said(x=x, y=np.array([{}] * 8))
    assert "split of row 3 is 'valid' (the first row is 0); expected 'train' or 'test'" in said(
        x=x, y=y, split=np.array(["train", "test", "train", "valid"] * 2)
    )
    assert "split says 'train' in every row" in said(x=x, y=y, split=np.array(["train"] * 8))
    assert "split has shape (3,) but there are 8 rows" in said(x=x, y=y, split=np.array(["train"] * 3))
    assert "holds no samples" in said(x=x[:0], y=y[:0])
    assert "the label of row 2 is missing" in said(x=x, y=np.array([0, 1, np.nan, 1] * 2))
    for value in (np.nan, np.inf):
        broken = x.copy()
        broken[5, 1] = value
        assert f"x, column 1, row 5 is {value}" in said(x=broken, y=y)
        assert f"x, image 5, pixel (0, 1) is {value}" in said(x=broken[:, None], y=y)
    path.write_bytes(path.read_bytes()[:100])
    assert "not a whole .npz file" in message(path)


# tables


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_table_is_read_with_its_split(tmp_path, kind):
    split = ["train"] * 6 + ["test"] * 4
    table = ten_rows(split=split, flag=[True, False, False, True, True] * 2)
    data = load(write_table(tmp_path / f"a.{kind}", table))
    check_parts(data)
    assert data.split == "given" and data.train.shape == (3,) and data.train.class_names == ("x", "y")
    assert data.train.labels.tolist() == [0, 1] * 3 and data.test.ids[0] == "row 6"
    x = np.column_stack([np.asarray(table[name], float) for name in ("a", "b", "flag")])
    expected = (x - x[:6].mean(axis=0)) / x[:6].std(axis=0)
    np.testing.assert_allclose(data.train.read(slice(None)), expected[:6], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(data.test.read(slice(None)), expected[6:], rtol=1e-5, atol=1e-6)


def test_table_label_may_be_any_column_and_type(tmp_path):
    import pyarrow as pa

    path = write_table(
        tmp_path / "a.parquet", ten_rows(label=None, who=pa.array(["p", "q"] * 5).dictionary_encode())
    )
    assert load(path, label="who").train.class_names == ("p", "q")
    path = write_table(tmp_path / "b.csv", ten_rows(label=None, who=[2**60, 2**60 + 1] * 5))
    assert load(path, label="who").train.class_names == (str(2**60), str(2**60 + 1))


def test_embedding_column_is_used_alone(tmp_path):
    import pyarrow as pa

    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
    table = ten_rows(embedding=fixed, image=[b"png"] * 10, split=["train"] * 6 + ["test"] * 4)
    data = load(write_table(tmp_path / "a.parquet", table))
    expected = (vectors - vectors[:6].mean(axis=0)) / vectors[:6].std(axis=0)
    np.testing.assert_allclose(data.test.read(slice(None)), expected[6:], rtol=1e-5)
    listed = ten_rows(v=pa.array(vectors.tolist()), a=None)
    assert load(write_table(tmp_path / "b.parquet", listed)).train.shape == (5,)


def test_table_faults_are_named(tmp_path):
    def said(kind="parquet", **columns):
        return message(write_table(tmp_path / f"a.{kind}", ten_rows(**columns)))

    assert "no column 'label'; its columns are a, b" in said(label=None)
    path = write_table(tmp_path / "a.csv", ten_rows())
    assert "no column 'kind'; its columns are a, b, label" in message(path, label="kind")
    assert "column 'city' holds string, not numbers" in said("csv", city=["Oslo"] * 10)
    gap = [0.5, None, *[1.5] * 8]
    assert "column 'c', row 1 is nan" in said(c=gap) and "column 'c', row 1 is nan" in said("csv", c=gap)
    assert "column 'b', row 9 is inf" in said(b=[0.0] * 9 + [np.inf])
    assert "column 'd', row 1 is nan" in said(d=[True, None] * 5)
    assert "split of row 1 is 'valid'" in said("csv", split=["train", "valid"] * 5)
    assert "split of row 1 is None" in said(split=["train", None] * 5)
    assert "label of row 1 is missing" in said(label=["x", None] * 5)
    assert "label of row 1 is missing" in said("csv", label=["x", ""] * 5)
    assert "'v', row 3 (the first is 0), has 1 numbers" in said(v=[[1.0, 2.0]] * 3 + [[1.0]] * 7)
    assert "'v[1]', row 2 is nan" in said(v=[[1.0, 2.0]] * 2 + [[1.0, np.nan]] * 8)
    assert "no column beside 'label'" in said(a=None, b=None)
    path.write_text("a,b,label\n")
    assert "has no rows" in message(path)
    path.write_text("a,a,label\n1,2,x\n")
    assert "several columns named 'a'" in message(path)
    path.write_text("a,label\n1,x\n1,2,3\n")
    assert "cannot be read as a table" in message(path)
    path = tmp_path / "b.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    assert "b.parquet cannot be read as a table" in message(path)


def test_tab_separated_and_compressed_tables(tmp_path):
    rows = "\n".join(f"{i}\t{i * i}\t{'xy'[i % 2]}" for i in range(10))
    (tmp_path / "a.tsv").write_text("a\tb\tlabel\n" + rows + "\n")
    (tmp_path / "b.csv.gz").write_bytes(
        gzip.compress(("a\tb\tlabel\n" + rows + "\n").replace("\t", ",").encode())
    )
    one, two = load(tmp_path / "a.tsv"), load(tmp_path / "b.csv.gz")
    np.testing.assert_array_equal(one.train.read(slice(None)), two.train.read(slice(None)))


def test_data_is_read_by_index(tmp_path):
    part = load("digits").train
    everything = part.read(slice(None))
    for indices in ([3, 1, 3], np.array([5], np.int32), slice(2, 9, 3), np.arange(len(part)) % 2 == 0):
        np.testing.assert_array_equal(part.read(indices), everything[indices])
    with pytest.raises(IndexError):
        part.read([len(part)])


def test_fashion_mnist_has_its_published_mean_and_deviation():
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("needs Debian's dataset-fashion-mnist")
    data = load(folder)
    assert (len(data.train), len(data.test)) == (60000, 10000) and data.split == "given"
    images = data.train.read(slice(None))
    assert abs(images.mean() - 0.2860) < 1e-4 and abs(images.std() - 0.3530) < 1e-4
