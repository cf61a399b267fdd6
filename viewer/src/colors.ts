// Colours: ten that colour-blind eyes keep apart, further ones by steps of hue, and a ramp for numbers.
import type { Column } from "./data";

// the same ten as the plots have, found by search; see style.py
const TEN = [
  "#3d8ed8", "#ffb400", "#ba0000", "#8a24c5", "#304e73", "#ff5d00", "#61b8ff", "#ad988d", "#b6caaf", "#62757d",
];
// on a dark ground the two darkest give way to lighter ones of the same hue
const TEN_DARK = [
  "#4a9ae6", "#ffb400", "#e0473d", "#b06be8", "#7f9fd0", "#ff7a2e", "#8ccbff", "#c2aca1", "#c6d8c0", "#8fa3ac",
];
const RAMP = ["#352a6e", "#2f5d9e", "#1d8a99", "#3eb489", "#a6d25a", "#fde725"];
const RAMP_DARK = ["#5b4ba8", "#3f78c4", "#26a3b0", "#4cc79b", "#b4de67", "#fde725"];
export const STEPS = 64;

function hex(red: number, green: number, blue: number): string {
  return `#${[red, green, blue]
    .map((part) => Math.round(255 * Math.min(1, Math.max(0, part))).toString(16).padStart(2, "0"))
    .join("")}`;
}

// Oklab is even to the eye: colours with one lightness look equally strong whatever their hue.
function oklch(lightness: number, chroma: number, degrees: number): string {
  const a = chroma * Math.cos((degrees * Math.PI) / 180);
  const b = chroma * Math.sin((degrees * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const gamma = (x: number) => (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);
  return hex(
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  );
}

function mixed(stops: string[], share: number): string {
  const at = share * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const part = (stop: string, channel: number) => parseInt(stop.slice(1 + 2 * channel, 3 + 2 * channel), 16) / 255;
  const blend = (channel: number) =>
    part(stops[low], channel) + (at - low) * (part(stops[low + 1], channel) - part(stops[low], channel));
  return hex(blend(0), blend(1), blend(2));
}

export function palette(column: Column, dark: boolean): string[] {
  if (column.kind === "number") {
    const ramp = Array.from({ length: STEPS }, (_, step) => mixed(dark ? RAMP_DARK : RAMP, step / (STEPS - 1)));
    return [...ramp, dark ? "#5c6470" : "#b9bec4"]; // the last is for what is missing
  }
  if (column.kind === "text") return [dark ? TEN_DARK[0] : TEN[0]];
  const number = column.names.length;
  if (number <= TEN.length) return (dark ? TEN_DARK : TEN).slice(0, number);
  // the golden angle keeps neighbours in the list far apart in hue, and three lightnesses those that come back near
  const lightness = dark ? [0.72, 0.82, 0.63] : [0.58, 0.7, 0.48];
  return Array.from({ length: number }, (_, i) => oklch(lightness[i % 3], 0.15, (i * 137.508 + 20) % 360));
}

// for each item, which of the palette's colours it has
export function shades(column: Column, rows: number): ArrayLike<number> {
  if (column.kind === "category") return column.codes;
  if (column.kind === "text") return new Uint8Array(rows);
  const { values, low, high } = column;
  return Uint8Array.from(values, (value) =>
    Number.isNaN(value) ? STEPS : Math.round(((value - low) / Math.max(high - low, 1e-12)) * (STEPS - 1)),
  );
}
