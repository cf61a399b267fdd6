// One item: the card under the pointer, and the panel with its nearest neighbours.
import { rowOf, text, type Neighbor } from "./data";
import { byId, h, say } from "./dom";
import type { PointMap } from "./map";
import type { Sprites } from "./sprites";
import type { Store } from "./state";

const ON_CARD = 6; // columns; the panel has all

export class Details {
  private readonly card = byId("card");
  private readonly panel = byId("details");
  private readonly body = byId("details-body");

  constructor(private readonly store: Store, private readonly map: PointMap, private readonly sprites: Sprites | null) {
    store.on(["hover"], () => this.showCard());
    // what the card says is in the panel now, and the card would lie over the neighbours
    store.on(["focus"], () => store.set({ hover: null }));
    store.on(["focus", "space", "dark"], () => this.showPanel());
    byId("details-close").addEventListener("click", () => {
      store.set({ focus: null });
      map.canvas.focus({ preventScroll: true });
    });
    this.showPanel();
  }

  private name(item: number): string {
    return text(this.store.data.label, item) || "(empty)";
  }

  private picture(item: number, size: number): HTMLElement | null {
    return this.sprites && this.sprites.picture(item, size, this.store.ink);
  }

  private facts(item: number, most = Infinity): HTMLElement {
    const { data } = this.store;
    const facts = h("dl", { class: "facts" }, h("dt", {}, "row"), h("dd", {}, String(rowOf(data, item))));
    data.columns.slice(1, 1 + most).forEach((column) => {
      facts.append(h("dt", {}, column.name), h("dd", {}, text(column, item) || "—"));
    });
    return facts;
  }

  private showCard(): void {
    const { hover } = this.store.state;
    this.card.hidden = hover === null || this.map.moving;
    if (hover === null) return;
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = this.map.colors[this.map.shade[hover]];
    const title = h("strong", {}, swatch, this.name(hover));
    this.card.replaceChildren(...[this.picture(hover, 88), h("div", {}, title, this.facts(hover, ON_CARD))].filter((e) => e !== null));
    const [x, y] = this.map.place(hover);
    const { width, height } = this.map.size();
    const { offsetWidth, offsetHeight } = this.card;
    const left = x + 18 + offsetWidth > width ? x - 18 - offsetWidth : x + 18;
    this.card.style.left = `${Math.max(4, Math.min(left, width - offsetWidth - 4))}px`;
    this.card.style.top = `${Math.max(4, Math.min(y - offsetHeight / 2, height - offsetHeight - 4))}px`;
  }

  private showPanel(): void {
    const { focus } = this.store.state;
    const { data, space } = this.store;
    this.panel.classList.toggle("empty", focus === null);
    byId("details-close").hidden = focus === null;
    if (focus === null) {
      this.body.replaceChildren(h("p", { class: "quiet" }, "Click a point to see its nearest neighbours."));
      return;
    }
    const neighbors = space.neighbors(focus);
    const right = neighbors.filter((neighbor) => neighbor.right).length;
    const where = `in all ${space.dims} dimensions, ${data.distance}`;
    const verdict = `${right} of ${neighbors.length} nearest are of the same class`;
    const head = h("div", { class: "head" });
    const picture = this.picture(focus, 72);
    if (picture) head.append(picture);
    head.append(h("div", {}, h("strong", {}, this.name(focus)), this.facts(focus)));
    const list = h("ol", { class: "neighbors" }, ...neighbors.map((neighbor) => this.neighbor(neighbor)));
    const held = [...this.body.querySelectorAll(".neighbors button")].indexOf(document.activeElement!);
    this.body.replaceChildren(head, h("p", { class: "verdict" }, verdict), h("p", { class: "quiet" }, where), list);
    // one goes on from neighbour to neighbour without losing one's place
    if (held >= 0) list.querySelectorAll("button")[Math.min(held, neighbors.length - 1)]?.focus();
    say(`${this.name(focus)}, row ${rowOf(data, focus)}. ${verdict}.`);
  }

  private neighbor({ item, distance, right }: Neighbor): HTMLElement {
    const name = this.name(item);
    const far = distance.toPrecision(3);
    const verdict = `, ${right ? "same class" : "another class"}, distance `;
    const button = h(
      "button",
      {
        type: "button", class: right ? "right" : "wrong", title: name + verdict + far, "data-item": item,
        click: () => {
          this.store.set({ focus: item });
          this.map.reveal(item);
        },
        mouseenter: () => this.store.set({ hover: item }),
        mouseleave: () => this.store.set({ hover: null }),
      },
      this.picture(item, 44),
      h("span", { class: "name" }, h("span", { class: "mark", "aria-hidden": "true" }, right ? "✓" : "✗"), name),
      h("span", { class: "aside" }, verdict),
      h("span", { class: "far" }, far),
    );
    return h("li", {}, button);
  }
}
