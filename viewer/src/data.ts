// What the page was written with: one description in JSON, and arrays and pictures in base64.

interface Integers { blob: number; width: 1 | 2 | 4 }
interface CategorySource extends Integers { name: string; kind: "category"; names: string[] }
interface NumberSource { name: string; kind: "number"; blob: number; low: number; high: number; whole: boolean }
interface TextSource { name: string; kind: "text"; texts: string[] }
interface SpaceSource {
  name: string; dims: number; k: number; least: number; largest: number;
  layouts: { name: string; points: number }[];
  neighbors: Integers; distances: number;
}
export interface SpriteSource {
  side: number; columns: number; onSheet: number; sheets: number[]; type: string; ink: boolean;
}
interface Description {
  format: number; title: string; rows: number; of: number; distance: string;
  columns: (CategorySource | NumberSource | TextSource)[];
  spaces: SpaceSource[]; sprite: SpriteSource | null; row: number | null;
}

type Codes = Uint8Array | Uint16Array | Uint32Array;
export interface CategoryColumn {
  name: string; kind: "category"; names: string[]; codes: Codes; counts: Uint32Array;
  firsts: Uint32Array; // of each category, the item that stands for it
}
export interface NumberColumn {
  name: string; kind: "number"; values: Float32Array; low: number; high: number; whole: boolean;
}
export interface TextColumn { name: string; kind: "text"; texts: string[] }
export type Column = CategoryColumn | NumberColumn | TextColumn;
export interface Layout { name: string; points: Float32Array }
export interface Neighbor { item: number; distance: number; right: boolean }

export class Space {
  constructor(
    readonly name: string, readonly dims: number, readonly layouts: Layout[], readonly k: number,
    private readonly items: Codes, private readonly distances: Uint16Array, private readonly least: number, private readonly largest: number,
    private readonly labels: Codes,
  ) {}

  neighbors(item: number): Neighbor[] {
    return Array.from({ length: this.k }, (_, place) => {
      const at = item * this.k + place;
      return {
        item: this.items[at],
        distance: this.least + (this.distances[at] / 65535) * (this.largest - this.least),
        right: this.labels[this.items[at]] === this.labels[item],
      };
    });
  }

  // the share of items, of those that have another of their class, whose nearest is of their class
  precision(counts: Uint32Array): number {
    let right = 0;
    let asked = 0;
    for (let item = 0; item < this.labels.length; item += 1) {
      if (!this.k || counts[this.labels[item]] < 2) continue;
      asked += 1;
      if (this.labels[this.items[item * this.k]] === this.labels[item]) right += 1;
    }
    return asked ? right / asked : NaN;
  }
}

export interface Data {
  title: string; rows: number; of: number; distance: string;
  columns: Column[]; label: CategoryColumn; spaces: Space[];
  sprite: SpriteSource | null; rowNumbers: Uint32Array | null;
}

export function bytes(blob: number): Uint8Array<ArrayBuffer> {
  const holder = document.getElementById(`nearfar-${blob}`)!;
  const text = atob(holder.textContent!);
  holder.remove(); // each is read once; its text would double the memory
  const out = new Uint8Array(text.length);
  for (let i = 0; i < out.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

async function inflated(blob: number): Promise<ArrayBuffer> {
  const stream = new Blob([bytes(blob)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function integers({ blob, width }: Integers): Promise<Codes> {
  const buffer = await inflated(blob);
  return width === 1 ? new Uint8Array(buffer) : width === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

async function column(source: Description["columns"][number]): Promise<Column> {
  if (source.kind === "text") return source;
  if (source.kind === "number") return { ...source, values: new Float32Array(await inflated(source.blob)) };
  const codes = await integers(source);
  const counts = new Uint32Array(source.names.length);
  const firsts = new Uint32Array(source.names.length);
  codes.forEach((code: number, item: number) => {
    if (!counts[code]) firsts[code] = item;
    counts[code] += 1;
  });
  return { name: source.name, kind: "category", names: source.names, codes, counts, firsts };
}

// Points in a square of -1 to 1, both axes by the same factor, so that distances keep their proportions.
function squared(points: Float32Array): Float32Array {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 1) {
    low[i % 2] = Math.min(low[i % 2], points[i]);
    high[i % 2] = Math.max(high[i % 2], points[i]);
  }
  const reach = Math.max(high[0] - low[0], high[1] - low[1], 1e-12) / 2;
  return points.map((value, i) => (value - (low[i % 2] + high[i % 2]) / 2) / reach);
}

export async function load(): Promise<Data> {
  const source: Description = JSON.parse(document.getElementById("nearfar-data")!.textContent!);
  const columns = await Promise.all(source.columns.map(column));
  const label = columns[0] as CategoryColumn;
  const spaces = await Promise.all(
    source.spaces.map(async (space) => {
      const layouts = await Promise.all(
        space.layouts.map(async ({ name, points }) => ({
          name, points: squared(new Float32Array(await inflated(points))),
        })),
      );
      const items = await integers(space.neighbors);
      const distances = new Uint16Array(await inflated(space.distances));
      return new Space(space.name, space.dims, layouts, space.k, items, distances, space.least, space.largest, label.codes);
    }),
  );
  const rowNumbers = source.row === null ? null : new Uint32Array(await inflated(source.row));
  return { ...source, columns, label, spaces, rowNumbers };
}

export function rowOf(data: Data, item: number): number {
  return data.rowNumbers ? data.rowNumbers[item] : item;
}

export function text(column: Column, item: number): string {
  if (column.kind === "category") return column.names[column.codes[item]];
  if (column.kind === "text") return column.texts[item];
  const value = column.values[item];
  if (Number.isNaN(value)) return "";
  return column.whole ? String(value) : String(Number(value.toPrecision(6)));
}
