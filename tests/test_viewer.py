"""The viewer in a real browser, opened from disk: what is written and what is drawn."""

# ruff: noqa: F401, F811 - fixtures are imported by their names
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from viewer_pages import (
    browser,
    brute_neighbours,
    colour_at,
    items,
    needs_browser,
    opened,
    path,
    place,
    places,
    settle,
    state,
    wait,
)

from nearfar import visualize
from nearfar.visualize.viewer import page as built_page

# what is written


def test_the_page_is_built_from_the_sources_at_hand():
    sources = Path(__file__).parent.parent / "viewer"
    digest = hashlib.sha256()
    for name in [
        "build.mjs",
        "package-lock.json",
        *sorted(f"src/{file.name}" for file in (sources / "src").iterdir()),
    ]:
        digest.update(name.encode())
        digest.update((sources / name).read_bytes())
    assert f"built from sources {digest.hexdigest()}" in built_page(), (
        "run `npm ci && npm run build` in viewer/"
    )


def test_the_page_carries_the_licences_of_all_it_bundles():
    lock = json.loads((Path(__file__).parent.parent / "viewer" / "package-lock.json").read_text())
    used = {name.removeprefix("node_modules/"): part for name, part in lock["packages"].items() if name}
    licences = built_page().rsplit("<!-- built from", 1)[1]
    for name, part in used.items():
        if not part.get("dev"):
            assert f"\n{name} {part['version']} (" in licences
    assert "kdbush" in licences


def test_wrong_input_is_told_and_leaves_an_older_page(tmp_path):
    target = tmp_path / "viewer.html"
    target.write_text("older")
    rows = np.eye(4)
    for options, words in [
        ({"labels": [0, 1]}, r"labels has shape \(2,\)"),
        ({"untrained": np.eye(3)}, "untrained has 3 rows but embeddings has 4"),
        ({"methods": ["tsne"]}, "'tsne' is not known; expected some of pca, umap, pacmap"),
        ({"distance": "hamming"}, "hamming"),
        ({"images": np.zeros((3, 2, 2))}, "images has 3 entries"),
        ({"metadata": {"a": [1]}}, "metadata column 'a'"),
    ]:
        with pytest.raises(ValueError, match=words):
            visualize.write_html(target, rows, **{"labels": [0, 0, 1, 1], **options})
    with pytest.raises(ValueError, match="embeddings has 0 rows"):
        visualize.write_html(target, np.zeros((0, 3)), [])
    assert target.read_text() == "older"
    assert [file.name for file in tmp_path.iterdir()] == ["viewer.html"]


def test_a_run_of_6400_glyphs_stays_under_five_megabytes(tmp_path):
    from nearfar.data import load_all

    glyphs = load_all("glyphs")
    samples = getattr(glyphs, "train", glyphs)
    images = samples.thumbnails(np.arange(len(samples)))
    assert len(images) == 6400
    random = np.random.default_rng(0)
    spaces = random.normal(size=(2, 6400, 128)).astype(np.float32)
    target = tmp_path / "viewer.html"
    visualize.write_html(
        target, spaces[0], samples.labels, untrained=spaces[1], images=images, metadata={"id": samples.ids}
    )
    assert target.stat().st_size < 5_000_000


# what is drawn


@needs_browser
def test_it_opens_from_disk_and_draws_every_point_in_the_colour_of_its_class(opened):
    with opened(color_scheme="light") as view:
        view.keyboard.press("i")  # without pictures, which lie over the points
        settle(view)
        assert view.title() == "Animals"
        seen = [colour_at(view, item) for item in range(90)]
        _, _, names, _, _ = items()
        order = sorted(set(names))
        expected = ["3d8ed8", "ffb400", "ba0000", "8a24c5", "304e73", "ff5d00"]
        hits = 0
        for item, (red, green, blue, alpha) in enumerate(seen):
            wanted = [int(expected[order.index(names[item])][i : i + 2], 16) for i in (0, 2, 4)]
            assert alpha > 150
            hits += max(abs(a - b) for a, b in zip((red, green, blue), wanted, strict=True)) < 40
        assert hits >= 80  # a few lie under points of another class


@needs_browser
def test_points_lie_as_the_projection_says(opened):
    trained, _, _, _, _ = items()
    with opened() as view:
        flat = visualize.project(trained)
        seen = places(view)
        (scale_x, at_x), (scale_y, at_y) = (np.polyfit(flat[:, axis], seen[:, axis], 1) for axis in (0, 1))
        assert scale_x == pytest.approx(-scale_y, rel=1e-3)  # one scale for both, and up is up
        np.testing.assert_allclose(scale_x * flat[:, 0] + at_x, seen[:, 0], atol=0.6)
        np.testing.assert_allclose(scale_y * flat[:, 1] + at_y, seen[:, 1], atol=0.6)
        box = view.locator("#points").bounding_box()
        assert seen.min() >= 0 and (seen.max(axis=0) <= [box["width"], box["height"]]).all()


@needs_browser
def test_pictures_show_on_the_map_and_can_be_hidden(opened):
    with opened() as view:
        painted = """() => {
          const canvas = document.getElementById('overlay');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, at) => at % 4 === 3 && value > 0).length;
        }"""
        wait(view, f"() => ({painted})() > 3000")
        view.click("#images")
        wait(view, f"() => ({painted})() === 0")


@needs_browser
def test_hover_shows_the_picture_and_all_that_is_known(opened):
    _, _, names, _, metadata = items()
    with opened() as view:
        card = view.locator("#card")
        assert card.is_hidden()
        view.mouse.move(*place(view, 40))
        card.wait_for(state="visible")
        item = state(view, "hover")
        text = card.inner_text()
        assert (
            names[item] in text
            and metadata["id"][item] in text
            and f"row\n{item}" in text.replace("\t", "\n")
        )
        assert np.hypot(*(np.subtract(place(view, item), place(view, 40)))) < 8  # it, or one that lies on it
        inked = """c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data
          .some((value, at) => at % 4 === 3 && value > 0)"""
        wait(view, f"() => ({inked})(document.querySelector('#card canvas'))")
        view.mouse.move(3, 300)
        card.wait_for(state="hidden")


@needs_browser
def test_click_lists_the_ten_nearest_of_the_space_with_right_and_wrong(opened):
    trained, _, names, _, _ = items()
    order, distances = brute_neighbours(trained)
    with opened() as view:
        view.mouse.click(*place(view, 40))
        wait(view, "() => nearfar.store.state.focus !== null")
        item = state(view, "focus")
        buttons = view.locator(".neighbors button")
        assert [int(b.get_attribute("data-item")) for b in buttons.all()] == order[item].tolist()
        right = [b.get_attribute("class") == "right" for b in buttons.all()]
        assert right == (names[order[item]] == names[item]).tolist()
        assert 0 < sum(right) < 10  # both kinds occur, or the test shows nothing
        assert view.locator("#card").is_hidden()  # it would lie over the neighbours
        assert f"{sum(right)} of 10 nearest are of the same class" in view.locator("#details").inner_text()
        shown = [float(re.search(r"([\d.]+)$", b.inner_text().strip()).group(1)) for b in buttons.all()]
        np.testing.assert_allclose(shown, distances[item], rtol=6e-3)
        marks = ["✓" if r else "✗" for r in right]
        assert [b.locator(".mark").inner_text() for b in buttons.all()] == marks
        buttons.nth(2).click()
        assert state(view, "focus") == order[item][2]
        view.keyboard.press("Escape")
        assert state(view, "focus") is None


@needs_browser
def test_the_headline_says_how_often_the_nearest_is_right(opened):
    trained, untrained, names, _, _ = items()
    with opened() as view:
        for name, rows in (("Trained", trained), ("Untrained", untrained)):
            view.get_by_role("radio", name=name, exact=True).click()
            order, _ = brute_neighbours(rows, 1)
            share = 100 * (names[order[:, 0]] == names).mean()
            assert f"90 items · 6 classes · nearest is the same class for {share:.1f} %" in (
                view.locator("#figures").inner_text()
            )


@needs_browser
def test_switching_to_untrained_moves_the_points_and_changes_the_neighbours(opened):
    _, untrained, _, _, _ = items()
    order, _ = brute_neighbours(untrained)
    with opened() as view:
        before = places(view)
        view.get_by_role("radio", name="Untrained", exact=True).click()
        wait(view, "() => !nearfar.map.moving && nearfar.store.state.space === 1")
        flat, seen = visualize.project(untrained), places(view)
        scale, at = np.polyfit(flat[:, 0], seen[:, 0], 1)
        np.testing.assert_allclose(scale * flat[:, 0] + at, seen[:, 0], atol=0.6)
        assert np.abs(seen - before).max() > 50
        view.mouse.click(*place(view, 7))
        wait(view, "() => nearfar.store.state.focus !== null")
        listed = view.locator(".neighbors button").all()
        assert [int(b.get_attribute("data-item")) for b in listed] == order[state(view, "focus")].tolist()


@needs_browser
def test_points_travel_between_layouts_unless_less_motion_is_wanted(opened):
    travelling = """() => new Promise(done => {
      const seen = new Set();
      let begun = false;
      document.querySelector('#spaces button:last-child').click();
      const look = () => {
        begun ||= nearfar.map.moving;
        seen.add(nearfar.map.place(3)[0].toFixed(1));
        if (begun && !nearfar.map.moving) done(seen.size); else requestAnimationFrame(look);
      };
      look();
    })"""
    with opened() as view:
        assert view.evaluate(travelling) > 2
    with opened(reduced_motion="reduce") as view:
        view.get_by_role("radio", name="Untrained", exact=True).click()
        assert view.evaluate("() => nearfar.map.moving") is False
