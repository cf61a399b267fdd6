import gzip
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from data_files import check_parts, message, write_idx, write_images

from nearfar.data import DataError, load

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

from PIL import Image

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


def test_fashion_mnist_has_its_published_mean_and_deviation():
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.exists():
        pytest.skip("needs Debian's dataset-fashion-mnist")
    data = load(folder)
    assert (len(data.train), len(data.test)) == (60000, 10000) and data.split == "given"
    images = data.train.read(slice(None))
    assert abs(images.mean() - 0.2860) < 1e-4 and abs(images.std() - 0.3530) < 1e-4


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
