// The search box: labels and texts that contain what is typed, or a row by its number.
import { rowOf } from "./data";
import { byId, h, plural, say } from "./dom";
import type { Legend } from "./legend";
import type { PointMap } from "./map";
import type { Sprites } from "./sprites";
import type { Store } from "./state";

const LISTED = 40;
interface Hit { name: string; note: string; first: number; items: () => number[] }

export class Search {
  private readonly input = byId<HTMLInputElement>("search");
  private readonly list = byId("hits");
  private hits: Hit[] = [];
  private active = -1;

  constructor(
    private readonly store: Store, private readonly map: PointMap, private readonly legend: Legend,
    private readonly sprites: Sprites | null,
  ) {
    this.input.addEventListener("input", () => this.show());
    this.input.addEventListener("focus", () => this.show());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  private find(wanted: string): Hit[] {
    const { data } = this.store;
    const { label } = data;
    const hits: Hit[] = [];
    const begins: Hit[] = [];
    if (/^#?\d+$/.test(wanted)) {
      const row = Number(wanted.replace("#", ""));
      const item = data.rowNumbers ? data.rowNumbers.indexOf(row) : row;
      if (item >= 0 && item < data.rows) begins.push({ name: `row ${row}`, note: label.names[label.codes[item]], first: item, items: () => [item] });
    }
    label.names.forEach((name, code) => {
      const at = name.toLowerCase().indexOf(wanted);
      if (at < 0) return;
      const items = () => [...label.codes.keys()].filter((item) => label.codes[item] === code);
      (at === 0 ? begins : hits).push({ name: name || "(empty)", note: plural(label.counts[code], "item"), first: label.firsts[code], items });
    });
    for (const column of data.columns) {
      if (column.kind !== "text" || begins.length + hits.length > LISTED) continue;
      column.texts.forEach((value, item) => {
        if (hits.length <= LISTED && value.toLowerCase().includes(wanted))
          hits.push({ name: value, note: `${column.name}, row ${rowOf(data, item)}`, first: item, items: () => [item] });
      });
    }
    return [...begins, ...hits];
  }

  private show(): void {
    const wanted = this.input.value.trim().toLowerCase();
    if (!wanted) return this.close();
    const found = this.find(wanted);
    this.hits = found.slice(0, LISTED);
    this.active = this.hits.length ? 0 : -1;
    const rows: HTMLElement[] = this.hits.map(({ name, note, first }, index) =>
      h("li", {
        role: "option", id: `hit-${index}`,
        mousedown: (event: MouseEvent) => {
          event.preventDefault(); // the box keeps the focus, or the list would close before the click
          this.choose(index);
        },
      }, this.sprites?.picture(first, 22, this.store.ink), h("span", { class: "name" }, name), h("span", { class: "quiet" }, note)),
    );
    if (!rows.length) rows.push(h("li", { class: "quiet", role: "presentation" }, "Nothing found"));
    if (found.length > LISTED) rows.push(h("li", { class: "quiet", role: "presentation" }, "More match: type on to narrow them down"));
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark();
    say(found.length > LISTED ? `more than ${LISTED} hits` : plural(found.length, "hit"));
  }

  private mark(): void {
    this.hits.forEach((_, index) => byId(`hit-${index}`).setAttribute("aria-selected", String(index === this.active)));
    if (this.active < 0) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", `hit-${this.active}`);
    byId(`hit-${this.active}`).scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.hits.length) {
      event.preventDefault();
      this.active = (this.active + step + this.hits.length) % this.hits.length;
      this.mark();
    } else if (event.key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.choose(this.active);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.input.value = "";
      this.close();
      this.map.canvas.focus();
    }
  }

  private choose(index: number): void {
    const items = this.hits[index].items();
    this.close();
    if (!items.some((item) => this.store.shown(item))) this.legend.showAll(); // or one would be led to an empty place
    this.map.canvas.focus({ preventScroll: true });
    if (items.length === 1) {
      this.store.set({ focus: items[0] });
      this.map.reveal(items[0]);
    } else {
      this.store.set({ focus: null, selection: items });
      this.map.fit(items);
    }
  }

  private close(): void {
    this.list.hidden = true;
    this.hits = [];
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
