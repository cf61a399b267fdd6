"""Projector files, read by TensorBoard's own projector."""

import io

import numpy as np
import pytest
from blobs import blobs

from nearfar import visualize

Image = pytest.importorskip("PIL.Image")


def served(folder):
    """What TensorBoard's own projector answers for a folder."""
    plugin = pytest.importorskip("tensorboard.plugins.projector.projector_plugin")
    base = pytest.importorskip("tensorboard.plugins.base_plugin")
    client = pytest.importorskip("werkzeug.test").Client
    wrappers = pytest.importorskip("werkzeug.wrappers")
    apps = plugin.ProjectorPlugin(base.TBContext(logdir=str(folder))).get_plugin_apps()

    def get(route, **query):
        response = client(apps[route], wrappers.Response).get("/", query_string=query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response

    return get


def test_tensorboard_reads_what_was_written(tmp_path):
    rows, labels, images = blobs(each=5)
    names = np.array(["a\tb", "c\nd", 'quote"', "é与", "", "f"])[labels]
    written = visualize.write_projector(
        tmp_path,
        rows,
        names,
        metadata={"number": np.arange(30), "share": np.linspace(0, 1, 30)},
        images=images,
    )
    assert [path.name for path in written] == ["vecs.tsv", "meta.tsv", "sprite.png", "projector_config.pbtxt"]
    get = served(tmp_path)
    config = get("/info", run=".").get_json()["embeddings"][0]
    assert config["tensorName"] == "embedding"
    assert config["sprite"]["singleImageDim"] == [10, 10]
    tensor = np.frombuffer(get("/tensor", run=".", name="embedding", num_rows=1000).get_data(), np.float32)
    np.testing.assert_array_equal(tensor.reshape(rows.shape), rows)  # bit for bit
    lines = get("/metadata", run=".", name="embedding", num_rows=1000).get_data(as_text=True).split("\n")
    assert lines[0] == "label\tnumber\tshare"
    cells = [line.split("\t") for line in lines[1:31]]
    assert [row[0] for row in cells] == np.array(["a\\tb", "c\\nd", 'quote"', "é与", "", "f"])[
        labels
    ].tolist()
    assert [row[1] for row in cells] == [str(i) for i in range(30)]
    sprite = np.asarray(Image.open(io.BytesIO(get("/sprite_image", run=".", name="embedding").get_data())))
    assert sprite.shape == (60, 60)  # 30 pictures in a square of 6 x 6
    for i in (0, 7, 29):
        tile = sprite[10 * (i // 6) : 10 * (i // 6) + 10, 10 * (i % 6) : 10 * (i % 6) + 10]
        np.testing.assert_array_equal(tile, images[i])


def test_one_column_has_no_header_and_no_line_that_the_projector_would_skip(tmp_path):
    visualize.write_projector(tmp_path, np.eye(4), ["a", "", "  ", "b\r\n"])
    assert (tmp_path / "meta.tsv").read_bytes() == b"a\n(empty)\n(empty)\nb\\r\\n\n"
    lines = served(tmp_path)("/metadata", run=".", name="embedding", num_rows=9).get_data(as_text=True)
    assert len(lines.strip("\n").split("\n")) == 4


def test_without_labels_and_pictures_there_are_only_vectors(tmp_path):
    written = visualize.write_projector(tmp_path, np.eye(3))
    assert [path.name for path in written] == ["vecs.tsv", "projector_config.pbtxt"]
    assert "metadata" not in (tmp_path / "projector_config.pbtxt").read_text()
    with pytest.raises(ValueError, match="embeddings has 0 rows"):
        visualize.write_projector(tmp_path, np.zeros((0, 3)))


def test_a_sprite_never_exceeds_what_the_projector_draws(tmp_path, monkeypatch):
    monkeypatch.setattr("nearfar.visualize.projector._WIDEST", 64)
    visualize.write_projector(tmp_path, np.eye(90), images=np.zeros((90, 10, 10), np.uint8))
    assert Image.open(tmp_path / "sprite.png").size == (60, 60)  # ten to a row, six pixels each
    assert (tmp_path / "projector_config.pbtxt").read_text().count("single_image_dim: 6\n") == 2
