// What the viewer shows, in one place; parts listen for what they draw.
import type { Data, Layout, Space } from "./data";

export interface State {
  space: number;
  layout: number;
  color: number; // position of the column that colours
  focus: number | null; // the item looked at
  hover: number | null;
  selection: number[];
  visible: Uint8Array | null; // one flag an item, or null where nothing is filtered out
  lasso: boolean;
  images: boolean;
  dark: boolean;
}

export class Store {
  private readonly listeners: { keys: (keyof State)[]; call: () => void }[] = [];

  constructor(readonly data: Data, public state: State) {}

  get space(): Space {
    return this.data.spaces[this.state.space];
  }

  get layout(): Layout {
    return this.space.layouts[this.state.layout];
  }

  get ink(): string {
    return this.state.dark ? "#eef1f5" : "#1b1f24";
  }

  shown(item: number): boolean {
    return !this.state.visible || this.state.visible[item] === 1;
  }

  on(keys: (keyof State)[], call: () => void): void {
    this.listeners.push({ keys, call });
  }

  set(change: Partial<State>): void {
    const changed = (Object.keys(change) as (keyof State)[]).filter((key) => change[key] !== this.state[key]);
    if (!changed.length) return;
    this.state = { ...this.state, ...change };
    for (const { keys, call } of this.listeners) if (keys.some((key) => changed.includes(key))) call();
  }
}
