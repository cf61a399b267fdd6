// Fingers pan and pinch; in lasso mode any pointer draws the path.
import type { Overlay } from "./overlay";
import type { PointMap } from "./map";
import type { Store } from "./state";

export function listenToFingers(map: PointMap): void {
  const fingers = new Map<number, [number, number]>();
  const { canvas } = map;
  const at = (event: PointerEvent): [number, number] => [event.offsetX, event.offsetY];

  // a finger hovers over nothing: a card under it would only be in the way
  window.addEventListener("pointerdown", ({ pointerType }) => document.body.toggleAttribute("data-touch", pointerType === "touch"));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const [x, y] = at(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (point: [number, number]) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
      map.zoom(apart([x, y]) / apart(before), (x + other[0]) / 2, (y + other[1]) / 2);
      map.pan((x - before[0]) / 2, (y - before[1]) / 2);
    } else {
      map.pan(x - before[0], y - before[1]);
    }
    fingers.set(event.pointerId, [x, y]);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"] as const)
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
}

export function listenForLasso(store: Store, map: PointMap, overlay: Overlay, surface: HTMLCanvasElement): void {
  let drawing = false;
  store.on(["lasso"], () => {
    surface.style.pointerEvents = store.state.lasso ? "auto" : "none";
    overlay.path = [];
  });
  surface.addEventListener("pointerdown", (event) => {
    if (!store.state.lasso || event.button !== 0) return;
    drawing = true;
    surface.setPointerCapture(event.pointerId);
    overlay.path = [[event.offsetX, event.offsetY]];
  });
  surface.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const [x, y] = overlay.path[overlay.path.length - 1];
    if (Math.hypot(event.offsetX - x, event.offsetY - y) < 3) return;
    overlay.path.push([event.offsetX, event.offsetY]);
    map.redraw();
  });
  surface.addEventListener("pointerup", () => {
    if (!drawing) return;
    drawing = false;
    map.lasso(overlay.path);
    overlay.path = [];
    store.set({ lasso: false });
    map.redraw();
  });
  surface.addEventListener("pointercancel", () => {
    drawing = false;
    overlay.path = [];
    map.redraw();
  });
  surface.addEventListener("wheel", (event) => {
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY / map.size().height), event.offsetX, event.offsetY);
  }, { passive: false });
}
