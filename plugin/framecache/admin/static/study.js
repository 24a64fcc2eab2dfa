// One study of the table: what it is, how much of it is cached, and what can be done with it.

import { element, write } from "./element.js";
import { ago, bytes, count, counted } from "./format.js";

/** A study in words, for a question or a screen reader. */
export const title = (study, uid) => (study ? [study.name || study.patientId || "no name", study.date].filter(Boolean).join(", ") : uid);

export const ACTIONS = {
  warm: {
    label: "Warm",
    question: "Warm this study?",
    consequence: "Its frames are cached. New arrivals have priority.",
    done: (answer) => `${counted(answer.Instances, "instance")} queued`,
  },
  pin: {
    label: "Pin",
    question: "Pin this study?",
    consequence: "Its cached frames are not evicted while all pinned studies together take no more than half of the cache.",
    done: () => "pinned",
  },
  unpin: {
    label: "Unpin",
    question: "Unpin this study?",
    consequence: "It can be evicted like any other study.",
    done: () => "unpinned",
  },
  purge: {
    label: "Purge",
    question: "Purge this study from the cache?",
    consequence: "Its frames are removed from the cache. The images stay in Orthanc; the next viewer waits as without a cache.",
    done: (answer) => `${counted(answer.PurgedInstances, "instance")} purged`,
    dangerous: true,
  },
};

/** A row; `begin(action, study, row)` is called for a button, where `action` is one of ACTIONS or "preview". */
export class StudyRow {
  node = element("tr");
  #parts = {
    name: element("strong"),
    pinned: element("span", { className: "badge", textContent: "Pinned" }),
    detail: element("span", { className: "detail quiet" }),
    uid: element("code", { className: "uid" }),
    bar: element("progress"),
    frames: element("span", { className: "quiet" }),
    size: element("td", { className: "number" }),
    viewed: element("td"),
  };
  #buttons = new Map();
  #row;
  #study = null;

  constructor(begin) {
    const { name, pinned, detail, uid, bar, frames, size, viewed } = this.#parts;
    size.dataset.label = "Size";
    viewed.dataset.label = "Last viewed";
    for (const action of ["preview", ...Object.keys(ACTIONS)]) {
      const button = element("button", { type: "button", textContent: ACTIONS[action]?.label ?? "Preview" });
      button.addEventListener("click", () => begin(action, this.#study, this.#row));
      this.#buttons.set(action, button);
    }
    this.#buttons.get("purge").className = "dangerous";
    this.node.append(
      element("th", { scope: "row" }, name, " ", pinned, detail, uid),
      element("td", { className: "cached" }, bar, frames),
      size,
      viewed,
      element("td", { className: "actions" }, ...this.#buttons.values()),
    );
  }

  /**
   * `row` as the plugin tells it; one of no instances is not in the cache, and with one whose ID it does not know nothing
   * can be done. `now` is the server's time.
   */
  show(row, now) {
    this.#row = row;
    const { bar, size, viewed, pinned } = this.#parts;
    const { Frames: all, CachedFrames: cached, Pinned: isPinned } = row;
    pinned.hidden = !isPinned;
    [bar.max, bar.value] = [all || 1, all ? Math.min(cached, all) : 0];
    write(size, row.Instances ? bytes(row.Bytes) : "–");
    write(viewed, row.Instances ? ago(row.LastViewed, now) : "–");
    const [isKnown, isCached] = [Boolean(row.ID), Boolean(row.ID) && row.Instances > 0];
    this.#offer({ preview: isCached, warm: isKnown, pin: isKnown && !isPinned, unpin: isKnown && isPinned, purge: isCached });
    this.#count();
    this.#label();
  }

  /** `study` as Orthanc tells it; null where it does not. */
  name(study) {
    this.#study = study;
    const { name, detail, uid } = this.#parts;
    write(name, study ? study.name || "(no name)" : "");
    name.hidden = !study;
    write(detail, study ? [study.patientId, study.date, study.modalities, study.description].filter(Boolean).join(" · ") : "");
    uid.hidden = Boolean(study);
    this.#count();
    this.#label();
  }

  /** The frames that are known are those of the instances in the cache; how many others there are Orthanc knows. */
  #count() {
    if (!this.#row) return;
    const { Frames: all, CachedFrames: cached, Instances: held } = this.#row;
    const others = (this.#study?.instances ?? 0) > held ? `${count(held)} of ${counted(this.#study.instances, "instance")}` : counted(held, "instance");
    write(this.#parts.frames, held ? `${count(cached)} of ${count(all)} in ${others}` : "not in the cache");
  }

  #offer(offered) {
    const focused = [...this.#buttons.keys()].find((action) => this.#buttons.get(action) === document.activeElement);
    for (const [action, button] of this.#buttons) button.hidden = !offered[action];
    // Who pins with the keyboard goes on at the button that takes its place; a hidden one takes no focus.
    const next = { pin: "unpin", unpin: "pin" }[focused] ?? "warm";
    if (focused && !offered[focused]) this.#buttons.get(next).focus();
  }

  #label() {
    if (!this.#row) return;
    const uid = this.#row.StudyInstanceUID;
    write(this.#parts.uid, uid);
    const name = title(this.#study, uid);
    this.#parts.bar.setAttribute("aria-label", `Frames cached of ${name}`);
    for (const button of this.#buttons.values()) button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  }
}
