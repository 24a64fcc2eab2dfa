// What happened since the start, newest first.

import { byId, element, KeyedList, write } from "./element.js";
import { clock, shortId } from "./format.js";
import { getIfAny } from "./server.js";
import { title } from "./study.js";

const KEPT = 50;
const MOST = 1000;
const NEWS_OF_STUDIES = new Set(["cached", "failed", "evicted", "purged", "pinned", "unpinned", "deleted"]);

const ONE = { studies: "study", series: "series", instances: "instance" };

function line({ Time: time, Kind: kind, Level: level, ID: id, Text: text }) {
  const when = element("time", { dateTime: time, textContent: clock(time, { hour: "2-digit", minute: "2-digit", second: "2-digit" }) });
  const what = element("span");
  const node = element("li", {}, when, " ", element("span", { className: `kind ${kind}`, textContent: kind }), " ", what);
  const show = (name) => {
    const resource = id ? `${ONE[level] ?? level} ${shortId(id)}` : "";
    const subject = name && level === "studies" ? name : [name, resource].filter(Boolean).join(", ");
    write(what, [subject, text].filter(Boolean).join(": "));
  };
  show("");
  return { node, update: ({ name = "" }) => show(name) };
}

export class Events {
  #list = new KeyedList(byId("event-list"), (event) => event.Sequence, line);
  #archive;
  #events = [];
  #last = 0;

  /** `archive` tells whose study an event is about. */
  constructor(archive) {
    this.#archive = archive;
  }

  /** Fetch what is new. Returns whether the table of studies may have changed; true where that is not known. */
  async refresh() {
    let heard = false;
    for (let isEnd = false; !isEnd; ) {
      const answer = await getIfAny("events", { since: this.#last, limit: MOST });
      byId("events").hidden = !answer;
      if (!answer) return true;
      // A server that was started anew has begun to count anew.
      if (answer.Last < this.#last) this.#events = [];
      heard ||= answer.Last < this.#last || Boolean(answer.Missed) || answer.Events.some((event) => NEWS_OF_STUDIES.has(event.Kind));
      this.#events = [...answer.Events.toReversed(), ...this.#events].slice(0, KEPT);
      this.#last = answer.Last;
      isEnd = answer.Done ?? true;
    }
    this.#list.show(this.#events);
    byId("events-none").hidden = this.#events.length > 0;
    this.#name();
    return heard;
  }

  /** Put names to what is shown; where Orthanc tells none, because it is gone or not for this login, the IDs stay. */
  async #name() {
    const nameless = this.#events.filter((event) => event.ID && event.name === undefined);
    if (!nameless.length) return;
    const instances = nameless.filter((event) => event.Level === "instances").map((event) => event.ID);
    const studies = await this.#archive.studiesOf(instances).catch(() => new Map());
    for (const event of nameless) {
      const study = event.Level === "studies" ? await this.#archive.study(event.ID).catch(() => null) : studies.get(event.ID);
      event.name = study ? title(study, "") : "";
    }
    this.#list.show(this.#events);
  }
}
