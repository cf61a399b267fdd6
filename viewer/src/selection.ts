// What the lasso caught, and its export.
import { rowOf, text, type Data } from "./data";
import { byId, count, h, plural, say } from "./dom";
import type { Store } from "./state";

export function watchSelection(store: Store): void {
  const { data } = store;
  const panel = byId("selection");
  const show = () => {
    const { selection } = store.state;
    panel.hidden = !selection.length;
    byId("tab-selection").hidden = !selection.length;
    if (!selection.length) return;
    byId("selection-count").textContent = `${plural(selection.length, "item")} selected`;
    byId("selection-classes").replaceChildren(...commonest(data, selection));
    say(`${plural(selection.length, "item")} selected`);
  };
  store.on(["selection"], show);
  show();
  byId("selection-clear").addEventListener("click", () => {
    store.set({ selection: [] });
    byId("points").focus({ preventScroll: true }); // the button has gone
  });
  byId("export-csv").addEventListener("click", () => save("selection.csv", "text/csv", csv(data, store.state.selection)));
  byId("export-json").addEventListener("click", () =>
    save("selection.json", "application/json", json(data, store.state.selection)),
  );
  byId("export-copy").addEventListener("click", () => {
    const rows = store.state.selection.map((item) => rowOf(data, item)).join("\n");
    void navigator.clipboard.writeText(rows).then(
      () => say("Row numbers copied"),
      () => save("rows.txt", "text/plain", rows), // a page opened from disk may not be allowed to copy
    );
  });
}

function commonest(data: Data, selection: number[]): HTMLElement[] {
  const counts = new Map<number, number>();
  for (const item of selection) counts.set(data.label.codes[item], (counts.get(data.label.codes[item]) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const listed = sorted.slice(0, 5).map(([code, number]) =>
    h("li", {}, h("span", { class: "name" }, data.label.names[code] || "(empty)"), h("span", { class: "quiet number" }, count(number))),
  );
  if (sorted.length > 5) listed.push(h("li", { class: "quiet" }, `and ${plural(sorted.length - 5, "other class", "other classes")}`));
  return listed;
}

function table(data: Data, selection: number[]): { names: string[]; rows: string[][] } {
  const names = ["row", ...data.columns.map(({ name }) => name)];
  const sorted = [...selection].sort((a, b) => a - b);
  const rows = sorted.map((item) => [String(rowOf(data, item)), ...data.columns.map((column) => text(column, item))]);
  return { names, rows };
}

function csv(data: Data, selection: number[]): string {
  const { names, rows } = table(data, selection);
  const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function json(data: Data, selection: number[]): string {
  const { names, rows } = table(data, selection);
  const records = rows.map((row) =>
    Object.fromEntries(row.map((value, at) => [names[at], at === 0 ? Number(value) : value])),
  );
  return JSON.stringify(records, null, 1);
}

function save(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
