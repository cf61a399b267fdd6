"""The viewer in a real browser: themes, keys, fingers and small screens."""

# ruff: noqa: F401, F811 - fixtures are imported by their names
import numpy as np
import pytest
from viewer_pages import (
    browser,
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
@pytest.mark.parametrize("size", [(1000, 700), (768, 1024), (740, 360)])
def test_no_heading_is_cut_and_the_points_have_room_at_any_size(opened, size):
    with opened(width=size[0], height=size[1]) as view:
        view.evaluate("() => nearfar.store.set({ focus: 5 })")
        for name in ["h1", "#figures"]:
            written, room = view.evaluate("e => [e.scrollWidth, e.clientWidth]", view.query_selector(name))
            assert written <= room, name
        box = view.locator("#points").bounding_box()
        assert box["width"] >= 400 and box["height"] >= 240
        assert view.evaluate("() => document.documentElement.scrollWidth") <= size[0]


@needs_browser
def test_keys_walk_from_neighbour_to_neighbour_and_find_back_to_the_map(opened):
    holds_focus = "() => [...document.querySelectorAll('.neighbors button')].indexOf(document.activeElement)"
    with opened() as view:
        view.evaluate("() => nearfar.store.set({ focus: 5 })")
        view.locator(".neighbors button").nth(3).focus()
        chosen = int(view.locator(".neighbors button").nth(3).get_attribute("data-item"))
        view.keyboard.press("Enter")
        assert state(view, "focus") == chosen
        assert view.evaluate(holds_focus) == 3
        view.locator("#details-close").press("Enter")
        assert view.evaluate("() => document.activeElement.id") == "points"


@needs_browser
def test_a_sheet_of_pictures_is_decoded_once(opened, monkeypatch, tmp_path):
    monkeypatch.setattr("nearfar.visualize.packing._SHEET", 36)  # nine pictures of twelve pixels a side
    trained, _, names, images, _ = items()
    target = tmp_path / "viewer.html"
    visualize.write_html(target, trained, names, images=images)
    with opened(target) as view:
        view.add_init_script("""
          window.decoded = 0;
          const decode = window.createImageBitmap;
          window.createImageBitmap = (...given) => { window.decoded += 1; return decode(...given); };
        """)
        view.reload()
        view.wait_for_selector("html[data-ready]", state="attached")
        drawn = """() => [...document.querySelectorAll('#legend .picture')].filter((c) => c.getContext('2d')
          .getImageData(0, 0, c.width, c.height).data.some((value, at) => at % 4 === 3 && value)).length"""
        wait(view, f"() => ({drawn})() === 6")  # every class shows its picture in the legend
        for _ in range(4):
            view.evaluate("() => nearfar.map.redraw()")
            settle(view)
        assert 6 <= view.evaluate("() => window.decoded") <= 10  # there are ten sheets
