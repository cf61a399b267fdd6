// Thumbnails, cut from sheets that are decoded when first needed.
import { bytes, type SpriteSource } from "./data";

type Sheet = ImageBitmap | HTMLCanvasElement;

export class Sprites {
  readonly ink: boolean;
  readonly side: number;
  private readonly files: Blob[];
  private readonly sheets = new Map<number, Sheet | null>(); // null while it is decoded
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
    const found = this.sheets.get(number);
    if (found === undefined) {
      this.sheets.set(number, null);
      if (this.sheets.size > 8) this.sheets.delete(this.sheets.keys().next().value!);
      void createImageBitmap(this.files[number]).then((bitmap) => {
        this.sheets.set(number, this.ink ? mask(bitmap) : bitmap);
        for (const call of this.waiting) call();
      });
    }
    return found ?? null;
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
