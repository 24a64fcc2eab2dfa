// The state at a glance: figures, each with what it is measured by.

import { byId, element, write } from "./element.js";
import { bytes, count, counted, duration, percent } from "./format.js";
import { ratio, sum } from "./traffic.js";

const LATELY = 5; // points of a minute, for the throughput

/** One figure with its name and what explains it; `level` (0 to 1) makes a bar. */
class Tile {
  #value = element("p", { className: "value" });
  #detail = element("p", { className: "quiet" });
  #bar = element("meter", { min: 0, max: 1, hidden: true });
  node;

  constructor(title) {
    this.node = element("div", { className: "card tile" }, element("h2", { textContent: title }), this.#value, this.#bar, this.#detail);
    this.#bar.setAttribute("aria-label", title);
  }

  show({ value, detail, level = null, state = "" }) {
    write(this.#value, value);
    write(this.#detail, detail);
    this.node.dataset.state = state;
    this.#bar.hidden = level === null;
    if (level !== null) this.#bar.value = level;
  }
}

const FIGURES = {
  "Size": ({ status, statistics }) => {
    const { Bytes: used, MaximumBytes: most } = status;
    const kept = statistics?.Cache;
    const held = kept ? `${counted(kept.Studies, "study", "studies")}, ${count(kept.PinnedStudies)} pinned, ${counted(kept.Frames, "frame")}` : counted(status.Entries, "entry", "entries");
    return { value: bytes(used), level: used / most, detail: `${percent(used, most)} of ${bytes(most)}: ${held}` };
  },
  "Hit ratio": ({ status, statistics }) => {
    const all = `since the start ${percent(status.Hits, status.Hits + status.Misses)}`;
    if (!statistics) return { value: percent(status.Hits, status.Hits + status.Misses), detail: "since the start" };
    return { value: ratio(statistics.Hour), detail: `last hour; last day ${ratio(statistics.Day)}, ${all}` };
  },
  "Time to answer": ({ statistics }) => statistics && {
    value: duration(statistics.Latency.Median),
    detail: `median since the start; 99 of 100 within ${duration(statistics.Latency.P99)}`,
  },
  "Throughput": ({ status, statistics }) => {
    if (!statistics) return { value: counted(status.ExtractedFrames, "frame"), detail: `cached since the start, ${bytes(status.ExtractedBytes)}` };
    const { ExtractedFrames: frames, ExtractedBytes: size, Seconds: seconds } = statistics.Hour;
    const per = (values) => sum(values.slice(-LATELY)) / (LATELY * seconds);
    const rate = per(frames).toLocaleString(undefined, { maximumFractionDigits: 1 });
    return {
      value: `${bytes(per(size))}/s`,
      detail: `into the cache, last ${LATELY} minutes, ${rate} frames/s; ${bytes(statistics.Totals.ExtractedBytes)} since the start`,
    };
  },
  "Queue": ({ status, statistics }) => {
    const queue = statistics?.Queue ?? { Length: status.QueueLength, AtWork: [] };
    const waits = queue.OldestSeconds ? `, the oldest for ${duration(queue.OldestSeconds)}` : "";
    return { value: count(queue.Length), detail: `${queue.Length === 1 ? "instance waits" : "instances wait"}${waits}; ${count(queue.AtWork.length)} running` };
  },
  "Archive": ({ status }) => status.Archive && {
    value: status.Archive.Fault ? "Out of reach" : count(status.ArchiveWritten),
    state: status.Archive.Fault || status.Archive.Comparison ? "warn" : "",
    detail: `${status.Archive.Comparison ? `${status.Archive.Comparison.Reason}. ` : ""}${counted(status.ArchiveWritten, "instance")} written and ${counted(status.ArchiveReads, "frame")} read since the start; ${counted(status.Archive.Behind, "change")} behind`,
  },
  "Cluster": ({ status }) => status.Cluster && {
    value: status.Cluster.Fault ? "No answer" : counted(status.Cluster.Processes, "process", "processes"),
    state: status.Cluster.Fault ? "warn" : "",
    detail: `${status.Cluster.Fault ? "nodes and workers share work when the database answers" : "nodes and workers share work"}; this is ${status.Cluster.Node}`,
  },
  "Evicted": ({ statistics }) => statistics && {
    value: count(sum(statistics.Day.EvictedInstances)),
    detail: `${sum(statistics.Day.EvictedInstances) === 1 ? "instance" : "instances"} in the last day; ${count(statistics.Totals.EvictedInstances)} since the start, ${bytes(statistics.Totals.EvictedBytes)}`,
  },
  "Failures": ({ status }) => {
    const failed = status.Failures ?? 0;
    const others = `${counted(status.Errors, "error")}, ${counted(status.DamagedBlocks, "damaged block")}`;
    return { value: count(failed), state: failed || status.Errors ? "warn" : "", detail: `${failed === 1 ? "extraction" : "extractions"} failed since the start; ${others}` };
  },
};

export class Overview {
  #tiles = new Map(Object.keys(FIGURES).map((title) => [title, new Tile(title)]));

  constructor() {
    byId("overview").append(...[...this.#tiles.values()].map((tile) => tile.node));
  }

  /** `status` and `statistics` as the plugin tells them; one that stands aside tells little of either. */
  show(status, statistics) {
    byId("overview").hidden = !("Entries" in status);
    if (byId("overview").hidden) return;
    for (const [title, tile] of this.#tiles) {
      const figure = FIGURES[title]({ status, statistics });
      tile.node.hidden = !figure;
      if (figure) tile.show(figure);
    }
  }
}
