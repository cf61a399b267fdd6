// The viewer: reads what the page holds, and wires the parts to each other.
import { load, type Data } from "./data";
import { Details } from "./details";
import { byId, choices, plural } from "./dom";
import { listenForLasso, listenToFingers } from "./gestures";
import { listenToKeys, switchSpace } from "./keyboard";
import { Legend } from "./legend";
import { PointMap } from "./map";
import { Overlay } from "./overlay";
import { Search } from "./search";
import { watchSelection } from "./selection";
import { Sprites } from "./sprites";
import { Store } from "./state";

declare global {
  interface Window {
    nearfar?: { store: Store; map: PointMap }; // for tests and the curious
  }
}

function remembered(): boolean {
  try {
    const kept = localStorage.getItem("nearfar-theme");
    if (kept) return kept === "dark";
  } catch {
    // a page opened from disk may have no storage
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function watchTheme(store: Store): void {
  const show = () => {
    document.documentElement.dataset.theme = store.state.dark ? "dark" : "light";
    byId("theme").setAttribute("aria-pressed", String(store.state.dark));
  };
  store.on(["dark"], () => {
    show();
    try {
      localStorage.setItem("nearfar-theme", store.state.dark ? "dark" : "light");
    } catch {
      // not remembered, then
    }
  });
  byId("theme").addEventListener("click", () => store.set({ dark: !store.state.dark }));
  show();
}

function watchSwitches(store: Store): void {
  const { data } = store;
  const showSpaces = choices(byId("spaces"), data.spaces.map(({ name }) => name), () => store.state.space,
    (space) => switchSpace(store, space));
  const showLayouts = choices(byId("layouts"), data.spaces[0].layouts.map(({ name }) => name), () => store.state.layout,
    (layout) => store.set({ layout }));
  const show = () => {
    showSpaces();
    showLayouts();
    byId("figures").textContent = figures(store);
  };
  store.on(["space", "layout"], show);
  show();
}

function figures(store: Store): string {
  const { data, space } = store;
  const items = data.of > data.rows ? `${data.rows.toLocaleString("en-US")} of ${plural(data.of, "item")}` : plural(data.rows, "item");
  const share = space.precision(data.label.counts);
  const right = Number.isNaN(share) ? "" : ` · nearest is the same class for ${(100 * share).toFixed(1)} %`;
  return `${items} · ${plural(data.label.names.length, "class", "classes")}${right}`;
}

function watchTools(store: Store, map: PointMap, sprites: Sprites | null): void {
  byId("zoom-in").addEventListener("click", () => map.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => map.zoom(1 / 1.5));
  byId("fit").addEventListener("click", () => map.fit());
  byId("lasso").addEventListener("click", () => store.set({ lasso: !store.state.lasso }));
  byId("images").hidden = !sprites;
  byId("images").addEventListener("click", () => store.set({ images: !store.state.images }));
  const show = () => {
    byId("lasso").setAttribute("aria-pressed", String(store.state.lasso));
    byId("images").setAttribute("aria-pressed", String(store.state.images));
    byId("stage").classList.toggle("lasso", store.state.lasso);
  };
  store.on(["lasso", "images"], show);
  show();
}

// On narrow screens the panels take turns in a sheet below the points.
function watchTabs(store: Store): void {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>("#tabs button")];
  const choose = (name: string) => {
    document.body.dataset.tab = name;
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.panel === name));
  };
  for (const tab of tabs)
    tab.addEventListener("click", () => choose(document.body.dataset.tab === tab.dataset.panel ? "" : tab.dataset.panel!));
  store.on(["focus"], () => store.state.focus !== null && choose("details"));
  store.on(["selection"], () => {
    if (store.state.selection.length) choose("selection");
    else if (document.body.dataset.tab === "selection") choose("legend");
  });
  choose(matchMedia("(max-width: 760px) and (min-height: 481px)").matches ? "" : "legend");
}

function fail(message: string): void {
  const note = byId("failure");
  note.textContent = message;
  note.hidden = false;
}

async function start(): Promise<void> {
  const data: Data = await load();
  const dark = remembered();
  const store = new Store(data, {
    space: 0, layout: 0, color: 0, focus: null, hover: null, selection: [], visible: null, lasso: false, images: true, dark,
  });
  const sprites = data.sprite ? new Sprites(data.sprite) : null;
  watchTheme(store);
  watchTabs(store);
  const canvas = byId<HTMLCanvasElement>("points");
  const map = new PointMap(store, canvas);
  if (!map.supported) {
    fail("This browser offers no WebGL with floating-point textures, which the points need; try another one.");
    return;
  }
  const overlay = new Overlay(store, map, sprites, byId<HTMLCanvasElement>("overlay"));
  await map.start();
  const legend = new Legend(store, map, sprites);
  new Details(store, map, sprites);
  new Search(store, map, legend, sprites);
  watchSelection(store);
  watchSwitches(store);
  watchTools(store, map, sprites);
  listenToFingers(map);
  listenForLasso(store, map, overlay, byId<HTMLCanvasElement>("overlay"));
  listenToKeys(store, map, overlay, legend);
  window.nearfar = { store, map };
  document.documentElement.dataset.ready = "yes";
}

start().catch((error: unknown) => {
  fail(`The page could not be read: ${error instanceof Error ? error.message : String(error)}`);
  throw error;
});
