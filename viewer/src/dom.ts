// Elements without markup: text is only ever set as text, so no label can become code.

type Child = Node | string | null | undefined | false;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | boolean | ((event: any) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function say(text: string): void {
  byId("spoken").textContent = text;
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

// Up and down move among the buttons of a group, as they do among radio buttons.
export function choices(
  holder: HTMLElement, names: string[], current: () => number, choose: (index: number) => void,
): () => void {
  const buttons = names.map((name, index) =>
    h("button", { type: "button", role: "radio", click: () => choose(index) }, name),
  );
  holder.replaceChildren(...buttons);
  holder.hidden = names.length < 2;
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (current() + step + names.length) % names.length;
    choose(next);
    buttons[next].focus();
  });
  const show = () =>
    buttons.forEach((button, index) => {
      button.setAttribute("aria-checked", String(index === current()));
      button.tabIndex = index === current() ? 0 : -1;
    });
  show();
  return show;
}
