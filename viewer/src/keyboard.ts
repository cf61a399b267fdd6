// Keys: everything that a pointer does.
import { byId } from "./dom";
import type { Legend } from "./legend";
import type { PointMap } from "./map";
import type { Overlay } from "./overlay";
import type { Store } from "./state";

const STEP = 60; // pixels an arrow key pans

export function listenToKeys(store: Store, map: PointMap, overlay: Overlay, legend: Legend): void {
  const help = byId<HTMLDialogElement>("help");
  byId("help-open").addEventListener("click", () => help.showModal());

  const anywhere: Record<string, () => void> = {
    "/": () => byId("search").focus(),
    "?": () => help.showModal(),
    t: () => store.set({ dark: !store.state.dark }),
    l: () => store.set({ lasso: !store.state.lasso }),
    i: () => store.set({ images: !store.state.images }),
    s: () => switchSpace(store, (store.state.space + 1) % store.data.spaces.length),
    m: () => store.set({ layout: (store.state.layout + 1) % store.space.layouts.length }),
    f: () => legend.showAll(),
    "]": () => step(1),
    "[": () => step(-1),
    Escape: () => {
      const { lasso, focus } = store.state;
      store.set(lasso ? { lasso: false } : focus !== null ? { focus: null } : { selection: [] });
    },
  };
  const onStage: Record<string, () => void> = {
    ArrowLeft: () => map.pan(STEP, 0),
    ArrowRight: () => map.pan(-STEP, 0),
    ArrowUp: () => map.pan(0, STEP),
    ArrowDown: () => map.pan(0, -STEP),
    "+": () => map.zoom(1.3),
    "=": () => map.zoom(1.3),
    "-": () => map.zoom(1 / 1.3),
    "0": () => map.fit(),
    a: () => store.set({ focus: null, selection: map.inView() }),
    Enter: () => {
      const { width, height } = map.size();
      store.set({ focus: map.nearest(width / 2, height / 2) });
    },
  };

  function step(by: number): void {
    const { rows } = store.data;
    let item = store.state.focus ?? (by > 0 ? -1 : rows);
    do item += by;
    while (item >= 0 && item < rows && !store.shown(item));
    if (item < 0 || item >= rows) return;
    store.set({ focus: item });
    map.reveal(item);
  }

  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const target = event.target as HTMLElement;
    if (target.matches("input:not([type=checkbox]):not([type=range]), select, textarea")) return;
    const act = (target === map.canvas && onStage[event.key]) || anywhere[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  map.canvas.addEventListener("focus", () => {
    overlay.aim = map.canvas.matches(":focus-visible");
    map.redraw();
  });
  map.canvas.addEventListener("blur", () => {
    overlay.aim = false;
    map.redraw();
  });
}

// The layout of the same name where the other space has it.
export function switchSpace(store: Store, space: number): void {
  const { name } = store.layout;
  const layout = store.data.spaces[space].layouts.findIndex((other) => other.name === name);
  store.set({ space, layout: Math.max(0, layout) });
}
