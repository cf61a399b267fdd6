"""The viewer in a real browser, opened from disk: what it asks for, draws and answers."""

import csv
import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nearfar import visualize
from nearfar.visualize.viewer import page as built_page

pytest.importorskip("PIL")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the viewer is tested with playwright: pip install playwright"
)
CHROMIUM = os.environ.get("NEARFAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or name it in NEARFAR_CHROMIUM"
)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 2">',
    '"><svg onload=window.hacked=3>',
    "<!--nearfar:data-->",
    "'; window.hacked = 4; //\u2028",
]


def items():
    """Ninety items of six classes, near enough to each other that some neighbours are wrong."""
    random = np.random.default_rng(4)
    labels = np.repeat(np.arange(6), 15)
    centres = random.normal(size=(6, 16))
    trained = (1.1 * centres[labels] + random.normal(size=(90, 16))).astype(np.float32)
    untrained = random.normal(size=(90, 5)).astype(np.float32)
    images = np.zeros((90, 12, 12), np.uint8)
    images[:, 2:10, 2:10] = random.integers(90, 255, (90, 8, 8))
    names = np.array(["cat", "dog", "crow", "carp", "cow", "newt"])[labels]
    metadata = {
        "wing": np.where(labels == 2, "yes", "no"),
        "mass": np.linspace(1, 10, 90),
        "id": [f"pictures/{i:03}.png" for i in range(90)],
    }
    return trained, untrained, names, images, metadata


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    trained, untrained, names, images, metadata = items()
    target = tmp_path_factory.mktemp("viewer") / "viewer.html"
    visualize.write_html(
        target, trained, names, untrained=untrained, images=images, metadata=metadata, title="Animals"
    )
    return target


@pytest.fixture
def opened(browser, path):
    """Opens the page and fails the test if it asks for anything or reports an error."""

    @contextmanager
    def opening(target=path, width=1200, height=760, expected=r"^blob:null/", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        view = context.new_page()
        trouble = []
        view.on("pageerror", lambda error: trouble.append(str(error)))
        view.on("console", lambda message: message.type == "error" and trouble.append(message.text))
        view.on("request", lambda request: request.url != target.as_uri() and trouble.append(request.url))
        view.goto(target.as_uri())
        view.wait_for_selector("html[data-ready]", state="attached")
        yield view
        settle(view)
        context.close()
        assert [line for line in trouble if not re.search(expected, line)] == []

    return opening


def settle(view):
    """Waits until what was asked for is drawn."""
    view.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place(view, item):
    """Where an item is in the window."""
    x, y = view.evaluate("item => nearfar.map.place(item)", item)
    box = view.locator("#points").bounding_box()
    return box["x"] + x, box["y"] + y


def places(view, rows=90):
    return np.array(view.evaluate("n => Array.from({ length: n }, (_, i) => nearfar.map.place(i))", rows))


def state(view, key):
    return view.evaluate("key => nearfar.store.state[key]", key)


def colour_at(view, item, canvas="points"):
    """The pixel of a canvas under an item."""
    return view.evaluate(
        """([item, id]) => {
          const canvas = document.getElementById(id);
          const [x, y] = nearfar.map.place(item);
          const ratio = canvas.width / canvas.clientWidth;
          return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data];
        }""",
        [item, canvas],
    )


def brute_neighbours(rows, k=10):
    whole = np.linalg.norm(rows[:, None].astype(np.float64) - rows[None], axis=-1)
    np.fill_diagonal(whole, np.inf)
    order = np.argsort(whole, axis=1)[:, :k]
    return order, np.take_along_axis(whole, order, axis=1)


def wait(view, expression, argument=None):
    view.wait_for_function(expression, arg=argument, timeout=20_000)


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
        ({"methods": ["tsne"]}, r"methods is \['tsne'\]; expected some of 'pca', 'umap', 'pacmap'"),
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


# what is filtered, found and selected


@needs_browser
def test_the_legend_filters_what_is_drawn_and_what_can_be_hovered(opened):
    _, _, names, _, _ = items()
    with opened() as view:
        view.keyboard.press("i")
        view.get_by_label("crow", exact=False).first.uncheck()
        wait(view, "() => nearfar.store.state.visible !== null")
        settle(view)
        visible = np.array(view.evaluate("() => [...nearfar.store.state.visible]"), bool)
        np.testing.assert_array_equal(visible, names != "crow")
        assert "75 of 90 items shown" in view.locator("#legend").inner_text()
        # a crow far from all that is still shown leaves blank paper
        seen = places(view)
        apart = np.linalg.norm(seen[:, None] - seen[None, visible], axis=-1).min(axis=1)
        gone = int(np.where(names == "crow", apart, -1).argmax())
        assert apart[gone] > 12
        wait(view, "item => true", gone)
        assert colour_at(view, gone)[3] == 0
        view.mouse.move(*place(view, gone))
        settle(view)
        assert view.locator("#card").is_hidden()
        view.get_by_role("button", name="show all").click()
        settle(view)
        assert state(view, "visible") is None
        wait(view, "() => true")
        assert colour_at(view, gone)[3] > 0


@needs_browser
def test_only_hides_all_others_and_filters_of_two_columns_hold_together(opened):
    _, _, names, _, metadata = items()
    shown = "() => nearfar.store.state.visible && [...nearfar.store.state.visible]"
    with opened() as view:
        view.get_by_role("button", name="only newt").click()
        np.testing.assert_array_equal(np.array(view.evaluate(shown), bool), names == "newt")
        view.get_by_role("button", name="only newt").click()  # again: all
        assert view.evaluate(shown) is None
        view.get_by_role("button", name="hide all").click()
        assert not any(view.evaluate(shown))
        settle(view)
        view.get_by_label("cow", exact=False).first.check()
        view.get_by_label("dog", exact=False).first.check()
        view.select_option("#color-by", label="mass")
        view.get_by_label("mass to").fill("4.96")
        mass = metadata["mass"]
        expected = np.isin(names, ["cow", "dog"]) & (mass <= 4.96 + 1e-5)
        np.testing.assert_array_equal(np.array(view.evaluate(shown), bool), expected)
        assert 0 < expected.sum() < 30


@needs_browser
def test_colour_by_another_column_changes_points_and_legend(opened):
    with opened(color_scheme="light") as view:
        view.keyboard.press("i")
        options = view.locator("#color-by option").all_inner_texts()
        assert options == ["label", "wing", "mass"]  # an id that differs for every item colours nothing
        view.select_option("#color-by", label="mass")
        settle(view)
        wait(view, "() => nearfar.map.colors.length > 60")
        first, last = (np.array(colour_at(view, item)[:3], float) for item in (0, 89))
        assert np.abs(first - last).max() > 60  # the two ends of the ramp
        view.select_option("#color-by", label="wing")
        written = "[...document.querySelectorAll('#legend .entries label')].map((e) => e.innerText.trim())"
        wait(view, f"() => {written}.filter(Boolean).length === 2 && {written}.length === 2")
        assert [row.split()[0] for row in view.locator("#legend .entries label").all_inner_texts()] == [
            "no",
            "yes",
        ]


def inside(path, points):
    from matplotlib.path import Path as Outline

    return np.flatnonzero(Outline(path).contains_points(points)).tolist()


@needs_browser
@pytest.mark.parametrize("way", ["button", "shift"])
def test_the_lasso_selects_what_it_encloses(opened, way):
    pytest.importorskip("matplotlib")
    with opened() as view:
        box = view.locator("#points").bounding_box()
        corners = [(0.3, 0.25), (0.75, 0.2), (0.7, 0.6), (0.5, 0.45), (0.25, 0.7)]
        path = [(x * box["width"], y * box["height"]) for x, y in corners]
        expected = inside(path, places(view))
        assert 5 < len(expected) < 85
        if way == "button":
            view.get_by_role("button", name="Lasso").click()
        else:
            view.keyboard.down("Shift")
        view.mouse.move(box["x"] + path[0][0], box["y"] + path[0][1])
        view.mouse.down()
        for x, y in [*path[1:], path[0]]:
            view.mouse.move(box["x"] + x, box["y"] + y, steps=8)
        settle(view)
        view.mouse.up()
        view.keyboard.up("Shift")
        wait(view, "() => nearfar.store.state.selection.length > 0")
        found = set(state(view, "selection"))
        # a point within a pixel or two of the line may fall either way
        assert len(found ^ set(expected)) <= 2
        assert f"{len(found)} items selected" in view.locator("#selection").inner_text()
        assert state(view, "lasso") is False
        view.get_by_role("button", name="clear").click()
        assert view.locator("#selection").is_hidden()


@needs_browser
def test_the_selection_is_exported_as_csv_and_json(opened, browser, tmp_path):
    trained, _, names, _, metadata = items()
    names = names.astype(object)
    names[:3] = ['a "quoted", one', "two\nlines", "é 与"]
    target = tmp_path / "viewer.html"
    visualize.write_html(target, trained, names, metadata=metadata)
    with opened(target, accept_downloads=True) as view:
        view.evaluate("() => nearfar.store.set({ selection: [60, 2, 0, 1] })")
        files = {}
        for kind in ("CSV", "JSON"):
            with view.expect_download() as download:
                view.get_by_role("button", name=kind, exact=True).click()
            files[kind] = Path(download.value.path()).read_bytes().decode()
        expected = [
            [
                str(i),
                names[i],
                metadata["wing"][i],
                f"{np.float32(metadata['mass'][i]):.6g}",
                metadata["id"][i],
            ]
            for i in (0, 1, 2, 60)
        ]
        table = list(csv.reader(files["CSV"].splitlines(keepends=True)))
        assert table == [["row", "label", "wing", "mass", "id"], *expected]
        records = json.loads(files["JSON"])
        assert [[str(value) for value in record.values()] for record in records] == expected


@needs_browser
def test_search_finds_labels_texts_and_rows(opened):
    _, _, names, _, _ = items()
    with opened() as view:
        search = view.get_by_role("combobox", name="Search labels")
        search.fill("c")
        hits = view.locator("#hits [role=option] .name").all_inner_texts()
        assert hits[:4] == ["carp", "cat", "cow", "crow"]  # labels that begin with it come before other texts
        assert hits[4:] and all(hit.startswith("pictures/") for hit in hits[4:])
        search.press("ArrowDown")
        search.press("Enter")
        assert state(view, "selection") == np.flatnonzero(names == "cat").tolist()
        seen, box = places(view)[names == "cat"], view.locator("#points").bounding_box()
        assert (seen >= 0).all() and (seen <= [box["width"], box["height"]]).all()
        search.fill("/017")
        assert view.locator("#hits [role=option]").all_inner_texts()[0].startswith("pictures/017.png")
        search.press("Enter")
        assert state(view, "focus") == 17
        search.fill("#63")
        search.press("Enter")
        assert state(view, "focus") == 63
        search.fill("no such thing")
        assert "Nothing found" in view.locator("#hits").inner_text()
        search.press("Escape")
        assert view.locator("#hits").is_hidden() and search.input_value() == ""


# themes, keys, small screens


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_starts_as_the_system_is_and_switches(opened, scheme):
    ground = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    with opened(color_scheme=scheme) as view:
        assert (np.mean(view.evaluate(ground)) > 128) == (scheme == "light")
        view.get_by_role("button", name="Dark").click()
        assert (np.mean(view.evaluate(ground)) > 128) == (scheme == "dark")
        view.reload()
        view.wait_for_selector("html[data-ready]", state="attached")
        assert (np.mean(view.evaluate(ground)) > 128) == (scheme == "dark")  # and remembers it


def contrast(one, other):
    """WCAG 2.1's contrast ratio of two colours."""
    lights = []
    for color in (one, other):
        part = np.array(color[:3]) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, scheme):
    with opened(color_scheme=scheme) as view:
        view.evaluate("() => nearfar.store.set({ focus: 5, selection: [1, 2, 3] })")
        view.evaluate("() => document.getAnimations().forEach((a) => a.finish())")  # colours on their way
        pairs = view.evaluate("""() => {
          const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
          const clear = (color) => numbers(color).length === 4 && numbers(color)[3] === 0;
          const written = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility()
            && !e.closest('dialog, svg, #spoken')
            && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
          return written.map((e) => {
            const ink = numbers(getComputedStyle(e).color), text = e.textContent.trim().slice(0, 30);
            while (e.parentElement && clear(getComputedStyle(e).backgroundColor)) e = e.parentElement;
            return [text, ink, numbers(getComputedStyle(e).backgroundColor)];
          });
        }""")
        assert len(pairs) > 40
        assert [
            (text, contrast(ink, paper)) for text, ink, paper in pairs if contrast(ink, paper) < 4.5
        ] == []


@needs_browser
def test_all_is_reached_and_done_with_the_keyboard(opened):
    with opened() as view:
        reached = []
        for _ in range(60):
            view.keyboard.press("Tab")
            name = view.evaluate("() => document.activeElement.id || document.activeElement.textContent")
            if name in reached:
                break
            reached.append(name)
        for name in [
            "search",
            "theme",
            "help-open",
            "points",
            "zoom-in",
            "fit",
            "lasso",
            "images",
            "color-by",
        ]:
            assert name in reached
        assert any("Trained" in name for name in reached)

        view.locator("#points").focus()
        before = places(view)
        view.keyboard.press("ArrowLeft")
        settle(view)
        np.testing.assert_allclose(places(view) - before, np.broadcast_to([60, 0], before.shape), atol=0.1)
        view.keyboard.press("0")
        view.keyboard.press("+")
        settle(view)
        box = view.locator("#points").bounding_box()
        middle = np.array([box["width"], box["height"]]) / 2
        np.testing.assert_allclose(places(view), middle + 1.3 * (before - middle), atol=1)
        view.keyboard.press("0")
        settle(view)
        np.testing.assert_allclose(places(view), before, atol=0.1)
        view.keyboard.press("Enter")
        assert state(view, "focus") == np.linalg.norm(before - middle, axis=1).argmin()
        focus = state(view, "focus")
        view.keyboard.press("]")
        assert state(view, "focus") == focus + 1
        view.keyboard.press("[")
        assert state(view, "focus") == focus
        view.keyboard.press("Escape")
        view.keyboard.press("a")
        assert len(state(view, "selection")) == 90
        view.keyboard.press("Escape")
        assert state(view, "selection") == []
        view.keyboard.press("s")
        assert state(view, "space") == 1
        view.keyboard.press("t")
        view.keyboard.press("/")
        assert view.evaluate("() => document.activeElement.id") == "search"
        view.keyboard.type("t")  # typed, not taken as a command
        assert view.locator("#search").input_value() == "t"
        view.keyboard.press("Escape")
        view.keyboard.press("?")
        assert view.locator("#help").is_visible()
        view.keyboard.press("Escape")
        assert view.locator("#help").is_hidden()


@needs_browser
def test_radio_buttons_move_with_arrows_and_items_are_spoken(opened):
    with opened() as view:
        view.get_by_role("radio", name="Trained", exact=True).focus()
        view.keyboard.press("ArrowRight")
        assert state(view, "space") == 1
        chosen = [b.get_attribute("aria-checked") for b in view.locator("#spaces button").all()]
        assert chosen == ["false", "true"]
        view.evaluate("() => nearfar.store.set({ focus: 12 })")
        assert "row 12" in view.locator("#spoken").inner_text()
        assert "of 10 nearest are of the same class" in view.locator("#spoken").inner_text()


@needs_browser
def test_it_is_usable_on_a_phone(opened):
    with opened(width=360, height=640, has_touch=True) as view:
        assert view.evaluate("() => document.documentElement.scrollWidth") <= 360
        for name in ["#search", "#spaces", "#theme", "#help-open", "#tools", "#tabs"]:
            box = view.locator(name).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 360, name
            assert box["y"] >= 0 and box["y"] + box["height"] <= 640, name
        seen = places(view)
        assert seen[:, 0].min() >= 0 and seen[:, 0].max() <= 360
        view.touchscreen.tap(*place(view, 20))
        wait(view, "() => nearfar.store.state.focus !== null")
        assert view.locator(".neighbors").is_visible() and view.locator("#legend").is_hidden()
        assert view.locator("#card").is_hidden()  # nothing hovers under a finger
        view.get_by_role("button", name="Legend").tap()
        assert view.locator("#legend").is_visible() and view.locator("#details").is_hidden()
        assert view.locator("#points").bounding_box()["height"] > 150
        assert view.evaluate("() => document.documentElement.scrollWidth") <= 360


@needs_browser
def test_fingers_pan_pinch_and_lasso(opened):
    with opened(width=360, height=640, has_touch=True) as view:
        box = view.locator("#points").bounding_box()
        left, top = box["x"], box["y"]
        session = view.context.new_cdp_session(view)

        def touch(kind, *points):
            at = [{"x": left + x, "y": top + y, "id": i} for i, (x, y) in enumerate(points)]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
            settle(view)

        before = places(view)
        touch("touchStart", (150, 150))
        touch("touchMove", (180, 190))
        touch("touchEnd")
        np.testing.assert_allclose(places(view) - before, np.broadcast_to([30, 40], before.shape), atol=1)
        before = places(view)
        touch("touchStart", (150, 200), (200, 200))
        touch("touchMove", (125, 200), (225, 200))
        touch("touchEnd")
        middle = np.array([175, 200])
        np.testing.assert_allclose(places(view), middle + 2 * (before - middle), atol=12)
        view.locator("#fit").tap()
        view.locator("#lasso").tap()
        corners = [(40, 60), (320, 60), (320, 380), (40, 380)]
        touch("touchStart", corners[0])
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            for part in np.linspace(0.2, 1, 5):
                touch("touchMove", tuple(np.add(start, part * np.subtract(end, start)).tolist()))
        seen = places(view)
        touch("touchEnd")
        wait(view, "() => nearfar.store.state.selection.length > 0")
        expected = set(np.flatnonzero(((seen > [40, 60]) & (seen < [320, 380])).all(axis=1)).tolist())
        assert len(set(state(view, "selection")) ^ expected) <= 2


@needs_browser
def test_no_text_becomes_code(opened, tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 4))
    labels = [HOSTILE[i % 5] for i in range(30)]
    metadata = {HOSTILE[1]: [f"{HOSTILE[i % 5]}{i}" for i in range(30)], HOSTILE[2]: labels}
    target = tmp_path / "viewer.html"
    visualize.write_html(target, rows, labels, metadata=metadata, title=HOSTILE[0])
    with opened(target) as view:
        assert view.title() == HOSTILE[0]
        assert view.locator("h1").inner_text() == HOSTILE[0]
        shown = view.locator("#legend .name").all_inner_texts()
        assert set(shown) == set(HOSTILE)
        view.mouse.click(*place(view, 0))
        wait(view, "() => nearfar.store.state.focus !== null")
        assert view.locator("#details dt").all_inner_texts() == ["row", HOSTILE[1], HOSTILE[2]]
        view.get_by_role("combobox", name="Search labels").fill("<img")
        assert HOSTILE[1] in view.locator("#hits .name").all_inner_texts()
        assert view.evaluate("() => window.hacked") is None
        assert view.locator("img, #legend svg, #details svg").count() == 0


@needs_browser
def test_the_page_itself_forbids_requests(opened):
    with opened(expected="Content Security Policy") as view:
        asked = "() => fetch('https://example.org/').then(() => 'answered', () => 'refused')"
        assert view.evaluate(asked) == "refused"


@needs_browser
def test_rows_of_a_sample_keep_their_numbers(opened, tmp_path):
    random = np.random.default_rng(0)
    target = tmp_path / "viewer.html"
    number = np.arange(500)
    visualize.write_html(target, random.normal(size=(500, 3)), number % 4, metadata={"n": number}, most=100)
    with opened(target) as view:
        assert "100 of 500 items" in view.locator("#figures").inner_text()
        view.evaluate("() => nearfar.store.set({ focus: 42 })")
        row, n = view.locator("#details dd").all_inner_texts()
        assert row == n and int(row) > 42


@needs_browser
@pytest.mark.parametrize("rows", [1, 2])
def test_one_or_two_items_and_missing_numbers_are_no_trouble(opened, tmp_path, rows):
    target = tmp_path / "viewer.html"
    visualize.write_html(target, np.ones((rows, 3)), ["same"] * rows, metadata={"x": [np.nan] * rows})
    with opened(target) as view:
        view.mouse.click(*place(view, 0))
        wait(view, "() => nearfar.store.state.focus !== null")
        assert view.locator(".neighbors button").count() == rows - 1
        assert view.locator("#details dd").all_inner_texts()[-1] == "—"
        view.select_option("#color-by", label="x")
        settle(view)


@needs_browser
@pytest.mark.slow
def test_fifty_thousand_points_are_filtered_searched_and_selected(opened, tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(300, size=50_000)
    rows = (random.normal(size=(300, 8))[labels] * 3 + random.normal(size=(50_000, 8))).astype(np.float32)
    target = tmp_path / "viewer.html"
    visualize.write_html(target, rows, labels)
    with opened(target) as view:
        assert "50,000 items · 300 classes" in view.locator("#figures").inner_text()
        view.get_by_role("button", name="only 17", exact=True).click()
        wait(view, "() => nearfar.store.state.visible !== null")
        shown = int((labels == 17).sum())
        assert f"{shown} of 50,000 items shown" in view.locator("#legend").inner_text()
        view.locator("#points").focus()
        view.keyboard.press("a")
        assert len(state(view, "selection")) == shown
