// The legend: what each colour means, and which of them are shown.
import { STEPS } from "./colors";
import type { CategoryColumn, NumberColumn } from "./data";
import { byId, count, h, plural, say } from "./dom";
import type { PointMap } from "./map";
import type { Sprites } from "./sprites";
import type { Store } from "./state";

const LISTED = 1000; // a longer list is cut; the filter above it finds the rest

export class Legend {
  private readonly hidden = new Map<number, Set<number>>(); // column to the codes that are out
  private readonly ranges = new Map<number, [number, number]>();
  private readonly body = byId("legend-body");
  private readonly find = byId<HTMLInputElement>("legend-find");
  private boxes = new Map<number, HTMLInputElement>();

  constructor(private readonly store: Store, private readonly map: PointMap, private readonly sprites: Sprites | null) {
    const select = byId<HTMLSelectElement>("color-by");
    store.data.columns.forEach(({ name, kind }, index) => {
      if (kind !== "text") select.append(h("option", { value: index }, name));
    });
    select.addEventListener("change", () => store.set({ color: Number(select.value) }));
    this.find.addEventListener("input", () => this.render());
    for (const id of ["legend-all", "nothing-all"])
      byId(id).addEventListener("click", () => {
        this.showAll();
        map.canvas.focus({ preventScroll: true }); // the button has gone
      });
    byId("legend-none").addEventListener("click", () => this.showNone());
    store.on(["color", "dark"], () => this.render());
    store.on(["visible"], () => this.summarise());
    this.render();
  }

  // Leaves only one category in view; of all, if it is alone already.
  only(code: number): void {
    const { color } = this.store.state;
    const column = this.store.data.columns[color] as CategoryColumn;
    const out = this.hidden.get(color) ?? new Set();
    const alone = out.size === column.names.length - 1 && !out.has(code);
    this.hidden.set(color, new Set(alone ? [] : [...column.names.keys()].filter((other) => other !== code)));
    this.apply();
  }

  showAll(): void {
    this.hidden.clear();
    this.ranges.clear();
    this.apply();
    this.render();
  }

  private showNone(): void {
    const { color } = this.store.state;
    const column = this.store.data.columns[color];
    if (column.kind !== "category") return;
    this.hidden.set(color, new Set(column.names.keys()));
    this.apply();
  }

  private render(): void {
    const column = this.store.data.columns[this.store.state.color];
    byId<HTMLSelectElement>("color-by").value = String(this.store.state.color);
    const long = column.kind === "category" && column.names.length > 12;
    this.find.hidden = !long;
    byId("legend-none").hidden = column.kind !== "category";
    if (column.kind === "category") this.renderCategories(column);
    else if (column.kind === "number") this.renderNumbers(column);
    this.summarise();
  }

  private renderCategories(column: CategoryColumn): void {
    const wanted = this.find.hidden ? "" : this.find.value.trim().toLowerCase();
    const codes = [...column.names.keys()].filter((code) => column.names[code].toLowerCase().includes(wanted));
    this.boxes = new Map();
    const rows = codes.slice(0, LISTED).map((code) => this.row(column, code));
    this.body.replaceChildren(h("ul", { class: "entries" }, ...rows));
    if (codes.length > LISTED)
      this.body.append(h("p", { class: "quiet" }, `${count(codes.length - LISTED)} more: type above to find them.`));
    if (!codes.length) this.body.append(h("p", { class: "quiet" }, "Nothing has that name."));
  }

  private row(column: CategoryColumn, code: number): HTMLElement {
    const box = h("input", { type: "checkbox", change: () => this.toggle(code, box.checked) });
    box.checked = !this.hidden.get(this.store.state.color)?.has(code);
    this.boxes.set(code, box);
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = this.map.colors[code];
    const name = column.names[code] || "(empty)";
    const picture = column === this.store.data.label && this.sprites?.picture(column.firsts[code], 22, this.store.ink);
    return h(
      "li",
      {},
      h("label", { title: name }, box, swatch, picture, h("span", { class: "name" }, name),
        h("span", { class: "quiet number" }, count(column.counts[code]))),
      h("button", { type: "button", class: "only", "aria-label": `only ${name}`, click: () => this.only(code) }, "only"),
    );
  }

  private renderNumbers(column: NumberColumn): void {
    const { color } = this.store.state;
    const [low, high] = this.ranges.get(color) ?? [column.low, column.high];
    const bar = h("div", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${this.map.colors.slice(0, STEPS).join(",")})`;
    const step = column.whole ? "1" : String((column.high - column.low) / 200 || 1);
    const ends = (["from", "to"] as const).map((end, i) => {
      const input = h("input", {
        type: "range", min: column.low, max: column.high, step, "aria-label": `${column.name} ${end}`,
        input: () => {
          const [from, to] = inputs.map(({ valueAsNumber }) => valueAsNumber);
          this.ranges.set(color, [Math.min(from, to), Math.max(from, to)]);
          this.apply();
          show();
        },
      });
      input.valueAsNumber = i ? high : low;
      return { input, value: h("output", { class: "number" }) };
    });
    const inputs = ends.map(({ input }) => input);
    const show = () =>
      ends.forEach(({ input, value }) => (value.textContent = String(Number(input.valueAsNumber.toPrecision(4)))));
    show();
    this.body.replaceChildren(
      bar,
      ...ends.map(({ input, value }, i) => h("label", { class: "range" }, i ? "to" : "from", input, value)),
    );
  }

  private toggle(code: number, shown: boolean): void {
    const { color } = this.store.state;
    const out = new Set(this.hidden.get(color));
    if (shown) out.delete(code);
    else out.add(code);
    this.hidden.set(color, out);
    this.apply();
  }

  // Filters of all columns hold together, so that colouring by another column keeps what was filtered.
  private apply(): void {
    const { rows, columns } = this.store.data;
    const visible = new Uint8Array(rows).fill(1);
    for (const [at, out] of this.hidden) {
      const { codes } = columns[at] as CategoryColumn;
      if (out.size) for (let item = 0; item < rows; item += 1) if (out.has(codes[item])) visible[item] = 0;
    }
    for (const [at, [low, high]] of this.ranges) {
      const { values, low: least, high: most } = columns[at] as NumberColumn;
      if (low <= least && high >= most) continue;
      const slack = (most - least) * 1e-6;
      for (let item = 0; item < rows; item += 1)
        if (!(values[item] >= low - slack && values[item] <= high + slack)) visible[item] = 0;
    }
    const all = visible.every((flag) => flag === 1);
    const out = this.hidden.get(this.store.state.color);
    for (const [code, box] of this.boxes) box.checked = !out?.has(code);
    this.store.set({ visible: all ? null : visible });
  }

  private summarise(): void {
    const { visible } = this.store.state;
    const { rows } = this.store.data;
    const shown = visible ? visible.reduce((sum, flag) => sum + flag, 0) : rows;
    byId("legend-count").textContent = visible ? `${count(shown)} of ${plural(rows, "item")} shown` : "";
    byId("legend-all").hidden = !visible;
    byId("nothing").hidden = shown > 0;
    if (visible) say(`${count(shown)} of ${plural(rows, "item")} shown`);
  }
}
