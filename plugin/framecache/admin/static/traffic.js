// What the cache did in the last hour or day.

import { Chart } from "./chart.js";
import { byId } from "./element.js";
import { bytes, count, duration, percent } from "./format.js";

export const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

const total = (key, format) => (points, index) => format(index === null ? sum(points[key]) : points[key][index]);
const at = (key) => (points, index) => duration(points[key][index] ?? null);

/** Hits of all that the cache answered itself. */
export function ratio(points, index = null) {
  const [hits, misses] = [points.Hits, points.Misses].map((values) => (index === null ? sum(values) : values[index]));
  return percent(hits, hits + misses);
}

const counted = (key, label, name) => ({ key, label, name, describe: total(key, count) });
const timed = (key, label, name) => ({ key, label, name, describe: at(key) });

const requests = () => new Chart("Requests", [
  counted("Hits", "from the cache", "hits"),
  counted("Misses", "read from files", "misses"),
  counted("Bypasses", "handed to Orthanc", "bypasses"),
  counted("Errors", "errors", "errors"),
  { label: "hit ratio", describe: ratio },
], { format: count });

const answers = () => new Chart("Time to answer", [
  timed("MedianSeconds", "median", "median"),
  timed("P99Seconds", "99 of 100 within", "p99"),
], { kind: "lines", format: duration, latest: (points) => points.MedianSeconds.findLastIndex((value) => (value ?? null) !== null) });

const filling = () => new Chart("Frames cached", [
  counted("ExtractedFrames", "frames", "filled"),
  { label: "size", describe: total("ExtractedBytes", bytes) },
], { format: count });

const evictions = () => new Chart("Instances evicted", [counted("EvictedInstances", "evicted", "evicted")], { format: count });

export class Traffic {
  #charts = [requests(), answers(), filling(), evictions()];
  #statistics = null;

  constructor() {
    byId("charts").append(...this.#charts.map((chart) => chart.node));
    byId("range").addEventListener("change", () => this.#draw());
  }

  /** `statistics` as the plugin tells them; null where it keeps none. */
  show(statistics) {
    byId("traffic").hidden = !statistics;
    this.#statistics = statistics;
    this.#draw();
  }

  #draw() {
    if (!this.#statistics) return;
    const range = byId("range").querySelector(":checked").value;
    for (const chart of this.#charts) chart.show(this.#statistics[range]);
  }
}
