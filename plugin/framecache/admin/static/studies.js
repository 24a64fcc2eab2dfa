// The table of studies: those in the cache, or those of the archive that were searched for.

import { announce } from "./confirmation.js";
import { byId, KeyedList, write } from "./element.js";
import { counted } from "./format.js";
import { act, getIfAny } from "./server.js";
import { ACTIONS, StudyRow, title } from "./study.js";

const PAGE = 20;

export class Studies {
  #list = new KeyedList(byId("rows"), (row) => row.ID || row.StudyInstanceUID, () => this.#row());
  #archive;
  #preview;
  #changed;
  #confirmation;
  #offset = 0;
  #sought = "";
  #found = null;
  #now = new Date().toISOString();
  #asked = 0;

  /** `changed` is called when the server should be asked anew. */
  constructor(archive, preview, confirmation, changed) {
    [this.#archive, this.#preview, this.#confirmation, this.#changed] = [archive, preview, confirmation, changed];
    byId("search").addEventListener("submit", (event) => this.#submit(event));
    byId("sought").addEventListener("input", () => byId("sought").value || this.search(""));
    byId("sort").addEventListener("change", () => this.#turn(0));
    byId("previous").addEventListener("click", () => this.#turn(this.#offset - PAGE));
    byId("next").addEventListener("click", () => this.#turn(this.#offset + PAGE));
  }

  /** Show what `text` finds in the archive, or all of the cache when it is empty. */
  async search(text) {
    this.#sought = text;
    byId("sought").value = text;
    try {
      const found = text ? await this.#archive.find(text) : null;
      if (this.#sought !== text) return;
      this.#found = found;
      await this.#turn(0);
    } catch (error) {
      announce(`The search in Orthanc failed: ${error.message}`, "bad");
    }
  }

  /** Ask for the rows that are shown; `now` is the server's time. */
  async refresh(now) {
    this.#now = now ?? this.#now;
    const asked = ++this.#asked;
    const answer = await this.#page();
    // Meanwhile something else was asked for.
    if (asked !== this.#asked) return;
    byId("studies").hidden = !answer;
    if (!answer) return;
    const { Total: total, Studies: rows } = answer;
    if (!rows.length && this.#offset) {
      await this.#turn(this.#offset - PAGE);
      return;
    }
    this.#list.show(rows);
    this.#summarize(total, rows);
  }

  async #page() {
    const sort = byId("sort").value;
    if (!this.#found) return getIfAny("studies", { limit: PAGE, offset: this.#offset, sort });
    const ids = this.#found.slice(this.#offset, this.#offset + PAGE);
    if (!ids.length) return { Total: 0, Studies: [] };
    const answer = await getIfAny("studies", { ids: ids.join(","), limit: PAGE, sort });
    if (!answer) return null;
    const known = new Set(answer.Studies.map((row) => row.ID));
    const others = await Promise.all(ids.filter((id) => !known.has(id)).map((id) => this.#absent(id)));
    return { Total: this.#found.length, Studies: [...answer.Studies, ...others.filter(Boolean)] };
  }

  /** A row for a study of the archive that is not in the cache; null where Orthanc does not show it. */
  async #absent(id) {
    const study = await this.#archive.study(id);
    return study && { ID: id, StudyInstanceUID: study.uid, Instances: 0, Frames: 0, CachedFrames: 0, Bytes: 0, LastViewed: null, Pinned: false };
  }

  #row() {
    const row = new StudyRow((action, study, answer) => this.#begin(action, study, answer));
    const update = (study) => {
      row.show(study, this.#now);
      // A name that does not come leaves the UID.
      const named = study.ID ? this.#archive.study(study.ID) : Promise.resolve(null);
      named.then((study) => row.name(study), () => row.name(null));
    };
    return { node: row.node, update };
  }

  #summarize(total, rows) {
    const what = this.#found ? `of the archive for “${this.#sought}”` : "in the cache";
    write(byId("found"), total ? `${counted(total, "study", "studies")} ${what}` : `No study ${what}.`);
    byId("rows").parentElement.hidden = !rows.length;
    byId("pages").hidden = total <= PAGE;
    write(byId("shown"), `${this.#offset + 1}–${this.#offset + rows.length} of ${total}`);
    this.#disable("previous", this.#offset === 0, "next");
    this.#disable("next", this.#offset + PAGE >= total, "previous");
  }

  /** A disabled button hears no key: who has just pressed it goes on at the `other`. */
  #disable(id, isDisabled, other) {
    const hadFocus = document.activeElement === byId(id);
    byId(id).disabled = isDisabled;
    if (!hadFocus || !isDisabled) return;
    byId(other).disabled = false;
    byId(other).focus({ preventScroll: true });
  }

  #submit(event) {
    event.preventDefault();
    this.search(byId("sought").value.trim());
  }

  async #turn(offset) {
    this.#offset = Math.max(0, offset);
    try {
      await this.refresh();
    } catch (error) {
      announce(`The studies could not be loaded: ${error.message}`, "bad");
    }
  }

  async #begin(action, study, row) {
    const subject = title(study, row.StudyInstanceUID);
    if (action === "preview") {
      this.#preview.open(row.ID, subject);
      return;
    }
    const { label, question, consequence, done, dangerous } = ACTIONS[action];
    if (!(await this.#confirmation.ask({ question, subject, consequence, agree: label, dangerous }))) return;
    try {
      announce(`${subject}: ${done(await act(`studies/${row.ID}/${action}`))}.`);
    } catch (error) {
      announce(`${subject}: ${error.message}`, "bad");
    }
    this.#changed();
  }
}
