"""The viewer in a real browser: what is filtered, found, selected and exported, whatever the data hold."""

# ruff: noqa: F401, F811 - fixtures are imported by their names
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from viewer_pages import (
    browser,
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

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 2">',
    '"><svg onload=window.hacked=3>',
    "<!--nearfar:data-->",
    "'; window.hacked = 4; //\u2028",
]


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
        assert "Everything is hidden" in view.locator("#nothing").inner_text()
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


def inside(outline, points):
    from matplotlib.path import Path as Outline

    return np.flatnonzero(Outline(outline).contains_points(points)).tolist()


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
        view.get_by_role("button", name="only dog").click()
        search.fill("#63")
        search.press("Enter")
        assert state(view, "visible") is None  # what is found is never hidden
        search.fill("no such thing")
        assert "Nothing found" in view.locator("#hits").inner_text()
        search.press("Escape")
        assert view.locator("#hits").is_hidden() and search.input_value() == ""


# whatever the data hold


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
