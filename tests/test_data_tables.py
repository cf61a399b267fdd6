import gzip

import numpy as np
import pytest
from data_files import check_parts, message, ten_rows, write_table

from nearfar.data import load

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

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
