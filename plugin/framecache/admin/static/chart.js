// One small chart over time: stacked bars or lines, read by pointer and by keyboard.

import { element, shape, write } from "./element.js";
import { clock } from "./format.js";

const HEIGHT = 132;
const MARGIN = { top: 8, right: 2, bottom: 18, left: 50 };
const LINES = 3; // of the grid, at most

/** A scale from 0 to a round number; `top` is what has to fit. */
function linear(top, whole) {
  const step = round((top || 1) / LINES, whole);
  const marks = Array.from({ length: Math.ceil(top / step) || 1 }, (_, i) => step * (i + 1));
  return { marks, place: (value) => value / marks.at(-1) };
}

/** The next of 1, 2, 5, 10, … that is as much or more. */
function round(value, whole) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value * 0.999) * power;
  return whole ? Math.max(1, step) : step;
}

/** A scale in powers of ten, for what may be a thousand times as much as usual. */
function logarithmic(top, bottom) {
  const least = Math.floor(Math.log10(bottom || 1e-3));
  const most = Math.max(least + 1, Math.ceil(Math.log10(top || 1e-3)));
  const marks = Array.from({ length: most - least }, (_, i) => 10 ** (least + 1 + i));
  const place = (value) => Math.max(0, (Math.log10(value) - least) / (most - least));
  return { marks: marks.slice(-LINES - 1), place };
}

export class Chart {
  node;
  #series;
  #title;
  #kind;
  #format;
  #latest;
  #svg = shape("svg", { "aria-hidden": "true" });
  #entries = [];
  #shown = null;
  #index = null;
  #when;
  #plot;

  /**
   * `kind` is "bars" (stacked, from 0) or "lines" (in powers of ten); `format` makes a text of a mark of the scale.
   * Each of `series` has a `label`, a `key` in the points and the `name` of its colour, or neither where it is text and
   * not drawn; `describe(points, index)` is the text of one moment, or of all when `index` is null. What has no sum gives
   * `latest(points)`, the index of the last moment with a figure, or -1: the legend tells that one instead of all.
   */
  constructor(title, series, { kind = "bars", format, latest = null }) {
    [this.#title, this.#series, this.#kind, this.#format, this.#latest] = [title, series, kind, format, latest];
    this.#when = element("span", { className: "when quiet" });
    this.#plot = element("div", { className: "plot", tabIndex: 0, role: "slider", "aria-label": `${title}: moment` }, this.#svg);
    const legend = element("dl", { className: "legend" }, ...series.map((one) => this.#entry(one)));
    this.node = element("figure", { className: "card chart" }, element("figcaption", {}, element("h3", { textContent: title }), this.#when), this.#plot, legend);
    this.#listen();
  }

  #entry({ label, name }) {
    const value = element("dd");
    this.#entries.push(value);
    return element("div", {}, element("dt", { className: name ? `key ${name}` : "", textContent: label }), value);
  }

  #listen() {
    this.#plot.addEventListener("pointermove", (event) => this.#point(this.#indexAt(event.offsetX)));
    this.#plot.addEventListener("pointerleave", () => this.#point(null));
    this.#plot.addEventListener("blur", () => this.#point(null));
    this.#plot.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
  }

  /** `points` is a series of the statistics: Begin, Seconds, and a list for each key. */
  show(points) {
    this.#shown = points;
    this.#draw();
  }

  get #length() {
    return this.#shown ? this.#values(this.#series[0]).length : 0;
  }

  #values(series) {
    return this.#shown[series.key];
  }

  #indexAt(x) {
    const part = (x - MARGIN.left) / (this.#plot.clientWidth - MARGIN.left - MARGIN.right);
    return Math.min(this.#length - 1, Math.max(0, Math.floor(part * this.#length)));
  }

  #step(event) {
    const last = this.#length - 1;
    const now = this.#index ?? last;
    const next = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, Home: 0, End: last, Escape: null }[event.key];
    if (next === undefined || !this.#shown) return;
    event.preventDefault();
    this.#point(next === null ? null : Math.min(last, Math.max(0, next)));
  }

  #point(index) {
    this.#index = index;
    if (this.#shown) this.#draw();
  }

  #draw() {
    const width = this.#plot.clientWidth;
    if (!this.#shown || !width) return;
    const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const drawn = this.#series.filter((one) => one.key);
    const scale = this.#scale(drawn);
    const y = (value) => MARGIN.top + inner.height * (1 - scale.place(value));
    const x = (index) => MARGIN.left + (inner.width * index) / this.#length;
    this.#svg.replaceChildren(
      ...this.#grid(scale, y, width),
      ...this.#times(x),
      ...(this.#kind === "bars" ? this.#bars(drawn, x, y) : this.#curves(drawn, x, y)),
      ...this.#cursor(x, inner),
    );
    this.#describe();
  }

  #scale(drawn) {
    const all = drawn.map((one) => this.#values(one));
    if (this.#kind === "bars") {
      const sums = all[0].map((_, index) => all.reduce((sum, values) => sum + values[index], 0));
      return linear(Math.max(0, ...sums), true);
    }
    const known = all.flat().filter((value) => value > 0);
    return logarithmic(Math.max(...known, 1e-3), Math.min(...known, 1e-2));
  }

  #grid(scale, y, width) {
    return [0, ...scale.marks].flatMap((mark) => {
      const place = mark === 0 ? HEIGHT - MARGIN.bottom : y(mark);
      const line = shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: place, y2: place });
      if (mark === 0 && this.#kind !== "bars") return [line];
      return [line, shape("text", { class: "mark", x: MARGIN.left - 6, y: place + 3.5, "text-anchor": "end" }, this.#format(mark))];
    });
  }

  #times(x) {
    const marks = [[0, "start"], [this.#length / 2, "middle"], [this.#length, "end"]];
    return marks.map(([index, anchor]) =>
      shape("text", { class: "mark", x: x(index), y: HEIGHT - 4, "text-anchor": anchor }, clock(this.#moment(index))));
  }

  #moment(index) {
    return Date.parse(this.#shown.Begin) + index * this.#shown.Seconds * 1000;
  }

  #bars(drawn, x, y) {
    const base = Array(this.#length).fill(0);
    const gap = this.#length > 70 ? 0.5 : 1;
    return drawn.map((one) => {
      const bars = this.#values(one).map((value, index) => {
        if (!value) return "";
        const [low, high] = [y(base[index]), y((base[index] += value))];
        return `M${x(index) + gap / 2} ${low}V${Math.min(high, low - 0.75)}H${x(index + 1) - gap / 2}V${low}z`;
      });
      return shape("path", { class: `bar-of ${one.name}`, d: bars.join("") });
    });
  }

  #curves(drawn, x, y) {
    return drawn.map((one) => {
      const values = this.#values(one);
      const steps = values.map((value, index) => {
        if ((value ?? null) === null) return "";
        const alone = (values[index - 1] ?? null) === null;
        const [left, middle, right] = [x(index), x(index + 0.5), x(index + 1)];
        // A moment between two without figures is a dash as long as it lasted.
        if (alone && (values[index + 1] ?? null) === null) return `M${left} ${y(value)}H${right}`;
        return `${alone ? "M" : "L"}${middle} ${y(value)}`;
      });
      return shape("path", { class: `curve-of ${one.name}`, d: steps.join("") });
    });
  }

  #cursor(x, inner) {
    if (this.#index === null) return [];
    const [left, right] = [x(this.#index), x(this.#index + 1)];
    return [shape("rect", { class: "cursor", x: left, y: MARGIN.top, width: right - left, height: inner.height })];
  }

  /** The legend tells the moment that is pointed at, else all of the time shown, or its latest moment. */
  #describe() {
    const latest = this.#latest?.(this.#shown) ?? null;
    const texts = this.#series.map((one) => one.describe(this.#shown, this.#index ?? latest));
    texts.forEach((text, index) => write(this.#entries[index], text));
    const moment = this.#index ?? (latest >= 0 ? latest : null) ?? this.#length - 1;
    const period = `${clock(this.#moment(moment))}–${clock(this.#moment(moment + 1))}`;
    const when = this.#index === null && latest !== null ? (latest < 0 ? "" : `latest, ${period}`) : period;
    const isOfAll = this.#index === null && latest === null;
    write(this.#when, isOfAll ? "" : when);
    const text = `${isOfAll || !when ? "in all" : when}: ${this.#series.map((one, index) => `${one.label} ${texts[index]}`).join(", ")}`;
    const state = { min: 0, max: this.#length - 1, now: moment, text };
    for (const [name, value] of Object.entries(state)) this.#plot.setAttribute(`aria-value${name}`, value);
  }
}
