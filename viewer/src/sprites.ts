// Thumbnails, cut from sheets that are decoded when first needed.
import { bytes, type SpriteSource } from "./data";
import { h } from "./dom";

type Sheet = ImageBitmap | HTMLCanvasElement;
const SHEETS = 16; // decoded at once, which is all of them unless larger pictures were asked for
const REST = 1000; // milliseconds for which a sheet stays after its last use

export class Sprites {
  readonly ink: boolean;
  readonly side: number;
  private readonly files: Blob[];
  private readonly sheets = new Map<number, { picture: Sheet | null; used: number }>(); // null while it is decoded
  private pending: { canvas: HTMLCanvasElement; paint: () => boolean }[] = [];
  private readonly tints = new Map<string, HTMLCanvasElement>();
  private readonly waiting = new Set<() => void>();

  constructor(private readonly source: SpriteSource) {
    this.ink = source.ink;
    this.side = source.side;
    this.files = source.sheets.map((blob) => new Blob([bytes(blob)], { type: source.type }));
  }

  // call once a sheet that was missing has come
  whenReady(call: () => void): void {
    this.waiting.add(call);
  }

  // An element with an item's picture, drawn as soon as its sheet is there.
  picture(item: number, size: number, color: string): HTMLCanvasElement {
    const side = Math.round(size * devicePixelRatio);
    const canvas = h("canvas", { width: side, height: side, class: "picture", "aria-hidden": "true" });
    canvas.style.width = canvas.style.height = `${size}px`;
    const context = canvas.getContext("2d")!;
    context.imageSmoothingQuality = "high";
    const paint = () => this.draw(context, item, 0, 0, side, color);
    if (!paint()) this.pending.push({ canvas, paint });
    return canvas;
  }

  // Draws an item's picture; in ink of `color` where the pictures are drawings. False while its sheet is decoded.
  draw(context: CanvasRenderingContext2D, item: number, x: number, y: number, size: number, color: string): boolean {
    const sheet = this.sheet(Math.floor(item / this.source.onSheet));
    if (!sheet) return false;
    const { left, top } = this.place(item);
    if (this.ink) context.drawImage(this.tinted(sheet, item, color), x, y, size, size);
    else context.drawImage(sheet, left, top, this.side, this.side, x, y, size, size);
    return true;
  }

  private place(item: number): { left: number; top: number } {
    const at = item % this.source.onSheet;
    return { left: (at % this.source.columns) * this.side, top: Math.floor(at / this.source.columns) * this.side };
  }

  private tinted(sheet: Sheet, item: number, color: string): HTMLCanvasElement {
    const key = `${item}${color}`;
    let tile = this.tints.get(key);
    if (!tile) {
      if (this.tints.size > 3000) this.tints.clear();
      tile = document.createElement("canvas");
      tile.width = tile.height = this.side;
      const context = tile.getContext("2d")!;
      const { left, top } = this.place(item);
      context.drawImage(sheet, left, top, this.side, this.side, 0, 0, this.side, this.side);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = color;
      context.fillRect(0, 0, this.side, this.side);
      this.tints.set(key, tile);
    }
    return tile;
  }

  private sheet(number: number): Sheet | null {
    const now = performance.now();
    const kept = this.sheets.get(number);
    if (kept) {
      kept.used = now;
      return kept.picture;
    }
    if (this.sheets.size >= SHEETS) {
      const [stalest, { used }] = [...this.sheets].reduce((one, other) => (other[1].used < one[1].used ? other : one));
      if (now - used < REST) return null; // all are in use: decoding one more would push out one that is drawn
      this.sheets.delete(stalest);
    }
    const entry: { picture: Sheet | null; used: number } = { picture: null, used: now };
    this.sheets.set(number, entry);
    void createImageBitmap(this.files[number]).then((bitmap) => {
      entry.picture = this.ink ? mask(bitmap) : bitmap;
      this.pending = this.pending.filter(({ canvas, paint }) => canvas.isConnected && !paint());
      for (const call of this.waiting) call();
    });
    return null;
  }
}

// Grey becomes opacity: what was bright is ink, what was dark is paper.
function mask(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < image.data.length; at += 4) image.data[at + 3] = image.data[at];
  context.putImageData(image, 0, 0);
  return canvas;
}
