// The scatter: regl-scatterplot draws the points; here they are fed to it, moved, filtered and aimed at.
import createScatterplot from "regl-scatterplot";
import { palette, shades } from "./colors";
import type { Store } from "./state";

const EASE = (t: number) => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);
const MOVE = 800; // milliseconds from one layout to the next
const MARGIN = 20; // pixels around all points when they are fitted

export class PointMap {
  readonly canvas: HTMLCanvasElement;
  colors: string[] = [];
  shade: ArrayLike<number> = [];
  private readonly plot: ReturnType<typeof createScatterplot>;
  private readonly indexes = new Map<Float32Array, ArrayBuffer>();
  private points: Float32Array;
  private from: Float32Array | null = null;
  private started = 0;
  private queue: Promise<unknown> = Promise.resolve();
  private lassoing = false;
  private fitted = "";

  constructor(private readonly store: Store, canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    this.points = store.layout.points;
    const { rows } = store.data;
    const roomy = Math.min(1, Math.max(0.6, Math.sqrt((canvas.clientWidth * canvas.clientHeight) / 600_000)));
    const size = roomy * (rows <= 1500 ? 8 : rows <= 6000 ? 6 : rows <= 20000 ? 4.5 : rows <= 80000 ? 3 : 2);
    this.plot = createScatterplot({
      canvas,
      syncEvents: true,
      actionKeyMap: { lasso: "shift" }, // and so no key rotates
      spatialIndexUseWorker: false,
      pointSize: size,
      pointSizeSelected: 2,
      pointOutlineWidth: 0,
      pointScaleMode: "constant",
      opacity: rows <= 6000 ? 0.9 : rows <= 30000 ? 0.75 : 0.5,
      opacityInactiveMax: 0.5,
      opacityInactiveScale: 0.35,
      lassoMinDist: 3,
      lassoColor: "#3d8ed8",
      deselectOnDblClick: false,
      deselectOnEscape: false,
    } as Parameters<typeof createScatterplot>[0]);
    this.listen();
  }

  get supported(): boolean {
    return this.plot.isSupported;
  }

  private listen(): void {
    const { plot, store } = this;
    plot.subscribe("pointover" as never, ((item: number) => store.set({ hover: item })) as never);
    plot.subscribe("pointout" as never, (() => store.set({ hover: null })) as never);
    plot.subscribe("lassoStart", () => (this.lassoing = true));
    plot.subscribe("select", ({ points }: { points: number[] }) => {
      if (this.lassoing) store.set({ selection: [...points], focus: null });
      else if (points.length) store.set({ focus: points[points.length - 1] });
      this.mark();
    });
    plot.subscribe("deselect", () => {
      if (this.lassoing) store.set({ selection: [] });
    });
    plot.subscribe("lassoEnd", () => (this.lassoing = false));
    store.on(["focus", "selection", "space"], () => this.mark());
    store.on(["color", "dark"], () => void this.recolor());
    store.on(["space", "layout"], () => void this.relayout());
    store.on(["visible"], () => void this.refilter());
  }

  onDraw(call: () => void): void {
    this.plot.subscribe("drawing", call);
  }

  redraw(): void {
    this.plot.redraw();
  }

  async start(): Promise<void> {
    this.ground();
    await this.draw(false);
    this.fit();
    new ResizeObserver(() => requestAnimationFrame(() => this.refit())).observe(this.canvas);
  }

  // Where an item is on the stage, in CSS pixels from its upper left, now, also while points move.
  place(item: number): [number, number] {
    const { height, width } = this.size();
    const view = this.view();
    const [x, y] = this.at(item);
    return [width / 2 + ((view[0] * x + view[12]) * height) / 2, height / 2 - ((view[5] * y + view[13]) * height) / 2];
  }

  at(item: number): [number, number] {
    const x = this.points[2 * item];
    const y = this.points[2 * item + 1];
    if (!this.from) return [x, y];
    const t = EASE(Math.min(1, Math.max(0, (performance.now() - this.started) / MOVE)));
    return [this.from[2 * item] * (1 - t) + x * t, this.from[2 * item + 1] * (1 - t) + y * t];
  }

  get moving(): boolean {
    return this.from !== null;
  }

  // pixels to one unit of the layout
  get scale(): number {
    return (this.view()[0] * this.size().height) / 2;
  }

  size(): { width: number; height: number } {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  private view(): Float32Array {
    return this.plot.get("cameraView") as unknown as Float32Array;
  }

  private toLayout(x: number, y: number): [number, number] {
    const { height, width } = this.size();
    const view = this.view();
    return [((2 * x - width) / height - view[12]) / view[0], ((height - 2 * y) / height - view[13]) / view[5]];
  }

  pan(dx: number, dy: number): void {
    const { height } = this.size();
    this.plot.get("camera").pan([(2 * dx) / height, (-2 * dy) / height]);
    this.plot.redraw();
  }

  zoom(factor: number, x = this.size().width / 2, y = this.size().height / 2): void {
    const { height, width } = this.size();
    this.plot.get("camera").scale(factor, [(2 * x - width) / height, (height - 2 * y) / height]);
    this.plot.redraw();
  }

  fit(items?: ArrayLike<number>): void {
    const low = [Infinity, Infinity];
    const high = [-Infinity, -Infinity];
    const number = items ? items.length : this.store.data.rows;
    for (let i = 0; i < number; i += 1) {
      const item = items ? items[i] : i;
      for (const axis of [0, 1]) {
        low[axis] = Math.min(low[axis], this.points[2 * item + axis]);
        high[axis] = Math.max(high[axis], this.points[2 * item + axis]);
      }
    }
    if (!number) return;
    const { height, width } = this.size();
    const up = (high[1] - low[1]) / Math.max(height - 2 * MARGIN, 1);
    const across = (high[0] - low[0]) / Math.max(width - 2 * MARGIN, 1);
    const reach = Math.max((Math.max(up, across) * height) / 2, 0.02);
    this.plot.get("camera").lookAt([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], reach);
    this.fitted = items ? "" : this.view().join();
    this.plot.redraw();
  }

  // All points stay in view when the window changes, unless one has moved elsewhere since.
  private refit(): void {
    if (this.fitted === this.view().join()) this.fit();
    else this.plot.redraw();
  }

  // Brings an item into view if it is not.
  reveal(item: number): void {
    const [x, y] = this.place(item);
    const { height, width } = this.size();
    if (x > 30 && y > 30 && x < width - 30 && y < height - 30) return;
    this.pan(width / 2 - x, height / 2 - y);
  }

  nearest(x: number, y: number): number | null {
    let best: number | null = null;
    let least = Infinity;
    for (let item = 0; item < this.store.data.rows; item += 1) {
      if (!this.store.shown(item)) continue;
      const [px, py] = this.place(item);
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) [least, best] = [away, item];
    }
    return best;
  }

  inView(): number[] {
    const { height, width } = this.size();
    const found: number[] = [];
    for (let item = 0; item < this.store.data.rows; item += 1) {
      const [x, y] = this.place(item);
      if (this.store.shown(item) && x >= 0 && y >= 0 && x <= width && y <= height) found.push(item);
    }
    return found;
  }

  // Selects what lies inside a path of stage pixels.
  lasso(path: [number, number][]): void {
    if (path.length < 3) return;
    this.lassoing = true;
    this.plot.lassoSelect(path.map(([x, y]) => this.toLayout(x, y)), { isGl: true });
    this.lassoing = false;
  }

  private mark(): void {
    const { focus, selection } = this.store.state;
    const marked =
      focus !== null ? [focus, ...this.store.space.neighbors(focus).map(({ item }) => item)] : selection;
    const shown = marked.filter((item) => this.store.shown(item));
    if (shown.length) this.plot.select([...shown], { preventEvent: true });
    else this.plot.deselect({ preventEvent: true });
  }

  private ground(): void {
    const { color, dark } = this.store.state;
    const column = this.store.data.columns[color];
    this.colors = palette(column, dark);
    this.shade = shades(column, this.store.data.rows);
    this.plot.set({
      backgroundColor: dark ? "#0f1216" : "#fbfbfa",
      colorBy: "valueA",
      pointColor: this.colors.length > 1 ? this.colors : [this.colors[0], this.colors[0]],
    } as never);
  }

  private recolor(): Promise<void> {
    this.ground();
    return this.draw(false);
  }

  private relayout(): Promise<void> {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const before = this.points;
    this.points = this.store.layout.points;
    if (before === this.points) return Promise.resolve();
    return this.draw(!still, before);
  }

  private refilter(): Promise<void> {
    return this.next(async () => {
      const { visible } = this.store.state;
      if (!visible) await this.plot.unfilter({ preventEvent: true });
      else await this.plot.filter(kept(visible), { preventEvent: true });
      this.mark();
    });
  }

  private draw(moving: boolean, before: Float32Array | null = null): Promise<void> {
    return this.next(async () => {
      const { points } = this;
      const x = new Float32Array(points.length / 2).map((_, i) => points[2 * i]);
      const y = new Float32Array(points.length / 2).map((_, i) => points[2 * i + 1]);
      if (moving) {
        this.from = before;
        this.started = Infinity;
        this.plot.subscribe("transitionStart", () => (this.started = performance.now()), 1);
      }
      await this.plot.draw({ x, y, z: this.shade } as never, {
        transition: moving,
        transitionDuration: MOVE,
        transitionEasing: EASE,
        zDataType: "categorical",
        spatialIndex: this.indexes.get(points),
      } as never);
      this.from = null;
      this.indexes.set(points, this.plot.get("spatialIndex"));
      const { visible, focus } = this.store.state;
      if (visible) await this.plot.filter(kept(visible), { preventEvent: true });
      this.mark();
      if (focus !== null) this.reveal(focus);
      this.plot.redraw();
    });
  }

  // regl-scatterplot refuses to draw while it draws, so one waits for the other
  private next(work: () => Promise<void>): Promise<void> {
    const done = this.queue.then(work);
    this.queue = done.catch((error) => console.error(error));
    return done;
  }
}

function kept(visible: Uint8Array): number[] {
  const items: number[] = [];
  visible.forEach((flag, item) => flag && items.push(item));
  return items;
}
