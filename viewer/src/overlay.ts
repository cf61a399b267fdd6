// What lies over the points: pictures as one comes near, the lines to neighbours, rings, and the lasso's path.
import type { PointMap } from "./map";
import type { Sprites } from "./sprites";
import type { Store } from "./state";

const PATIENCE = 40_000; // pictures placed for at most so many points at once
const WIDE = 1_000_003; // more rows than a grid of cells has

export class Overlay {
  path: [number, number][] = [];
  aim = false; // whether a cross marks the middle, for the keyboard
  private readonly context: CanvasRenderingContext2D;
  private readonly order: Uint32Array;
  private placed: { basis: unknown[]; items: number[]; tile: number } = { basis: [], items: [], tile: 22 };

  constructor(
    private readonly store: Store, private readonly map: PointMap, private readonly sprites: Sprites | null,
    private readonly canvas: HTMLCanvasElement,
  ) {
    this.context = canvas.getContext("2d")!;
    this.order = scattered(store.data.rows);
    map.onDraw(() => this.draw());
    store.on(["hover", "focus", "images", "selection", "visible", "lasso", "dark"], () => map.redraw());
    sprites?.whenReady(() => map.redraw());
  }

  draw(): void {
    const { context, canvas, map } = this;
    const { width, height } = map.size();
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.sprites && this.store.state.images) this.drawTiles();
    this.drawNeighbors();
    const { hover, focus } = this.store.state;
    if (hover !== null && hover !== focus) this.ring(hover, 9, this.ink(0.9), 1.5);
    if (this.aim) this.drawCross(width / 2, height / 2);
    if (this.path.length > 1) this.drawPath();
  }

  private ink(alpha: number): string {
    return this.store.state.dark ? `rgba(238,241,245,${alpha})` : `rgba(27,31,36,${alpha})`;
  }

  private paper(alpha: number): string {
    return this.store.state.dark ? `rgba(15,18,22,${alpha})` : `rgba(251,251,250,${alpha})`;
  }

  private color(item: number): string {
    return this.map.colors[this.map.shade[item]];
  }

  private drawTiles(): void {
    const { map, context } = this;
    const { width, height } = map.size();
    const chosen = this.chosen();
    const { items, tile } = this.tiles(chosen);
    const among = chosen && new Set(chosen);
    for (const item of items) {
      const [x, y] = map.place(item);
      if (x < -tile || y < -tile || x > width + tile || y > height + tile) continue;
      context.globalAlpha = among && !among.has(item) ? 0.25 : 1;
      this.tile(item, x, y, tile);
    }
    context.globalAlpha = 1;
    if (this.store.state.focus === null) return;
    for (const item of [...chosen!].reverse())
      if (this.store.shown(item)) this.tile(item, ...map.place(item), tile + 4);
  }

  // what stands out: an item and its neighbours, or else the selection
  private chosen(): number[] | null {
    const { focus, selection } = this.store.state;
    if (focus !== null) return [focus, ...this.store.space.neighbors(focus).map(({ item }) => item)];
    return selection.length ? selection : null;
  }

  private tile(item: number, x: number, y: number, size: number): void {
    const { context } = this;
    const color = this.color(item);
    const half = size / 2;
    context.beginPath();
    context.roundRect(x - half, y - half, size, size, 4);
    context.fillStyle = this.paper(0.92);
    context.fill();
    const inset = this.sprites!.ink ? 1 : 2;
    this.sprites!.draw(context, item, x - half + inset, y - half + inset, size - 2 * inset, color);
    if (this.sprites!.ink) return;
    context.lineWidth = 2;
    context.strokeStyle = color;
    context.stroke();
  }

  // Which items show their picture: as many as do not cover each other at this zoom, the same while one pans.
  private tiles(chosen: number[] | null): { items: number[]; tile: number } {
    const { map, store, placed } = this;
    const { visible, space, layout, selection, focus } = store.state;
    const level = Math.round(2 * Math.log2(map.scale)) / 2;
    const basis = [level, space, layout, visible, focus ?? selection];
    if (placed.basis.length && (map.moving || basis.every((part, i) => part === placed.basis[i]))) return placed;
    const tile = Math.min(64, Math.max(22, 22 + 8 * (level - 8.5)));
    const cell = (tile + 3) / 2 ** level;
    const taken = new Map<number, [number, number][]>();
    const items: number[] = [];
    const place = (item: number) => {
      if (!store.shown(item)) return;
      const [x, y] = map.at(item);
      const column = Math.floor(x / cell);
      const row = Math.floor(y / cell);
      for (let c = column - 1; c <= column + 1; c += 1)
        for (let r = row - 1; r <= row + 1; r += 1)
          for (const [px, py] of taken.get(c * WIDE + r) ?? [])
            if (Math.abs(px - x) < cell && Math.abs(py - y) < cell) return;
      const at = column * WIDE + row;
      taken.set(at, [...(taken.get(at) ?? []), [x, y]]);
      items.push(item);
    };
    chosen?.slice(0, PATIENCE).forEach(place);
    const step = Math.max(1, Math.ceil(store.data.rows / PATIENCE));
    for (let i = 0; i < this.order.length; i += step) place(this.order[i]);
    this.placed = { basis, items, tile };
    return this.placed;
  }

  private drawNeighbors(): void {
    const { focus } = this.store.state;
    if (focus === null) return;
    const { context, map } = this;
    const [x, y] = map.place(focus);
    const neighbors = this.store.space.neighbors(focus);
    for (const { item, right } of neighbors) {
      const [nx, ny] = map.place(item);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(nx, ny);
      context.lineWidth = 1.6;
      context.setLineDash(right ? [] : [5, 4]);
      context.strokeStyle = this.verdict(right);
      context.globalAlpha = this.store.shown(item) ? 0.85 : 0.3;
      context.stroke();
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
    const reach = this.sprites && this.store.state.images ? this.placed.tile / 2 + 5 : 8;
    for (const { item, right } of neighbors) this.ring(item, reach, this.verdict(right), 2, right ? [] : [5, 4]);
    this.ring(focus, reach + 2, this.ink(0.95), 2.5);
  }

  verdict(right: boolean): string {
    if (this.store.state.dark) return right ? "#61b8ff" : "#ff7a66";
    return right ? "#2474c0" : "#c4271b";
  }

  private ring(item: number, radius: number, color: string, width: number, dashes: number[] = []): void {
    const { context } = this;
    const [x, y] = this.map.place(item);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = color;
    context.setLineDash(dashes);
    context.stroke();
    context.setLineDash([]);
  }

  private drawCross(x: number, y: number): void {
    const { context } = this;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    context.lineWidth = 1.5;
    context.strokeStyle = this.ink(0.7);
    context.stroke();
  }

  private drawPath(): void {
    const { context } = this;
    context.beginPath();
    this.path.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fillStyle = "rgba(61,142,216,0.15)";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#3d8ed8";
    context.stroke();
  }
}

// All items in an order that has nothing to do with their rows, the same every time.
function scattered(rows: number): Uint32Array {
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  let seed = 12345;
  for (let i = rows - 1; i > 0; i -= 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
