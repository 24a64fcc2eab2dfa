// The page: asks the server again and again, and hands each part what it shows.

import { Archive } from "./archive.js";
import { Backfill } from "./backfill.js";
import { Confirmation } from "./confirmation.js";
import { byId, write } from "./element.js";
import { Events } from "./events.js";
import { Health } from "./health.js";
import { Overview } from "./overview.js";
import { Poll } from "./poll.js";
import { Preview } from "./preview.js";
import { forgetAbsent, json, ORTHANC, get, getIfAny } from "./server.js";
import { Studies } from "./studies.js";
import { Traffic } from "./traffic.js";
import { Work } from "./work.js";

// The table costs the server more than all else. Polls between two looks at it, if something was heard of it, and if not:
const SOON = 3;
const SELDOM = 20;

class Page {
  #archive = new Archive();
  #health = new Health();
  #overview = new Overview();
  #traffic = new Traffic();
  #events = new Events(this.#archive);
  #preview = new Preview(this.#archive);
  #confirmation = new Confirmation();
  #backfill = new Backfill(this.#confirmation, () => this.#look());
  #work = new Work(this.#archive, () => this.#look());
  #studies = new Studies(this.#archive, this.#preview, this.#confirmation, () => this.#look());
  #poll = new Poll(() => this.#ask());
  #since = Infinity;
  #heard = false;

  start() {
    const study = new URLSearchParams(location.search).get("study");
    if (study) this.#studies.search(study);
    this.#poll.now();
    json(new URL("system", ORTHANC)).then(({ Name: name }) => write(byId("server"), name ?? ""), () => {});
  }

  /** Ask now, for the table too. */
  #look() {
    this.#since = Infinity;
    this.#poll.now();
  }

  async #ask() {
    try {
      const [status, ...others] = await Promise.all([get("status"), ...["statistics", "jobs", "backfill"].map((path) => getIfAny(path))]);
      const [statistics, jobs, backfill] = others;
      // One that stands aside has few routes; started anew it may have all of them.
      if (!status.Serving) forgetAbsent();
      if (status.DicomWeb) this.#preview.useRoots(status.DicomWeb);
      this.#overview.show(status, statistics);
      this.#traffic.show(statistics);
      this.#work.show(statistics, jobs);
      this.#backfill.show(backfill);
      if ("Entries" in status) await this.#table(statistics);
      this.#health.show(status);
    } catch (error) {
      forgetAbsent();
      this.#health.silent(error);
    }
  }

  async #table(statistics) {
    this.#heard = (await this.#events.refresh()) || this.#heard;
    if (++this.#since < (this.#heard ? SOON : SELDOM)) return;
    [this.#since, this.#heard] = [0, false];
    await this.#studies.refresh(statistics?.Now ?? new Date().toISOString());
  }
}

new Page().start();
