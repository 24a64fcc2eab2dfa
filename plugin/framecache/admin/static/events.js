// What happened since the start, newest first.

import { byId, element, KeyedList } from "./element.js";
import { clock, shortId } from "./format.js";
import { tellIfAny } from "./server.js";

const KEPT = 50;
const MOST = 1000;
const NEWS_OF_STUDIES = new Set(["cached", "failed", "evicted", "purged", "pinned", "unpinned", "deleted"]);

const ONE = { studies: "study", series: "series", instances: "instance" };

function line({ Time: time, Kind: kind, Level: level, ID: id, Text: text }) {
  const when = element("time", { dateTime: time, textContent: clock(time, { hour: "2-digit", minute: "2-digit", second: "2-digit" }) });
  const what = [id ? `${ONE[level] ?? level} ${shortId(id)}` : "", text].filter(Boolean).join(": ");
  const node = element("li", {}, when, " ", element("span", { className: `kind ${kind}`, textContent: kind }), " ", what);
  return { node, update() {} };
}

export class Events {
  #list = new KeyedList(byId("event-list"), (event) => event.Sequence, line);
  #events = [];
  #last = 0;

  /** Fetch what is new. Returns whether the table of studies may have changed; true where that is not known. */
  async refresh() {
    let heard = false;
    for (let isEnd = false; !isEnd; ) {
      const told = await tellIfAny("events", { since: this.#last, limit: MOST });
      byId("events").hidden = !told;
      if (!told) return true;
      // A server that was started anew has begun to count anew.
      if (told.Last < this.#last) this.#events = [];
      heard ||= told.Last < this.#last || Boolean(told.Missed) || told.Events.some((event) => NEWS_OF_STUDIES.has(event.Kind));
      this.#events = [...told.Events.toReversed(), ...this.#events].slice(0, KEPT);
      this.#last = told.Last;
      isEnd = told.Done ?? true;
    }
    this.#list.show(this.#events);
    byId("events-none").hidden = this.#events.length > 0;
    return heard;
  }
}
