// Figures, times and names as people read them.

const NONE = "–";
const BLANK = "\u00a0"; // between a figure and its unit, where no line breaks
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DURATIONS = [
  [1e-3, 1e6, "µs"],
  [1, 1e3, "ms"],
  [120, 1, "s"],
  [7200, 1 / 60, "min"],
  [172800, 1 / 3600, "h"],
  [Infinity, 1 / 86400, "d"],
];

/** A whole number, grouped as the reader's language does it. */
export const count = (value) => (value ?? null) === null ? NONE : value.toLocaleString();

/** `count` with its noun: "1 study", "2 studies". */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** Two or three digits that matter. */
function rounded(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** Bytes in the largest binary unit that leaves a whole part. */
export function bytes(value) {
  if ((value ?? null) === null) return NONE;
  let unit = 0;
  for (; value >= 1024 && unit < BYTES.length - 1; unit++) value /= 1024;
  return `${rounded(value)}${BLANK}${BYTES[unit]}`;
}

/** Seconds in the unit that fits. */
export function duration(seconds) {
  if ((seconds ?? null) === null) return NONE;
  const [, factor, unit] = DURATIONS.find(([limit]) => seconds < limit) ?? DURATIONS.at(-1);
  return `${rounded(seconds * factor)}${BLANK}${unit}`;
}

/** A share of a whole; nothing of nothing is no figure. Only all of it is called 100 %. */
export function percent(part, whole) {
  if (!whole) return NONE;
  const value = (100 * part) / whole;
  const shown = part < whole ? Math.min(value, 99.9) : value;
  return `${shown.toLocaleString(undefined, { maximumFractionDigits: 1 })}${BLANK}%`;
}

/** How long before `now` (both ISO 8601) something was. */
export function ago(then, now) {
  if (!then) return "never";
  const seconds = (Date.parse(now) - Date.parse(then)) / 1000;
  return seconds < 5 ? "just now" : `${duration(Math.floor(seconds))} ago`;
}

/** The clock's time of a moment. */
export function clock(moment, options = { hour: "2-digit", minute: "2-digit" }) {
  return new Date(moment).toLocaleTimeString(undefined, options);
}

/** A DICOM date (PS3.5 6.2, DA) with dashes; what is none is shown as it is. */
export const day = (value) => (value ?? "").replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");

/** A DICOM name (PS3.5 6.2.1): family, given, middle, of the alphabetic group, or of the first that says something. */
export function personName(value) {
  const group = (value ?? "").split("=").find((one) => one.replaceAll("^", "").trim()) ?? "";
  const [family = "", ...others] = group.split("^").map((part) => part.trim());
  return [family, others.slice(0, 2).filter(Boolean).join(" ")].filter(Boolean).join(", ");
}

/** An Orthanc ID, short enough for a line. */
export const shortId = (id) => id.slice(0, 8);
