// What the plugin is at, and the jobs that somebody asked for.

import { announce } from "./confirmation.js";
import { byId, element, KeyedList, write } from "./element.js";
import { ago, bytes, count, counted, duration, shortId } from "./format.js";
import { act } from "./server.js";

const ENDED = new Set(["done", "failed", "cancelled"]);
const KEPT = 20; // jobs that have ended
const KINDS = { warm: "Warm", verify: "Verify", backfill: "Backfill", preview: "Dry run of rules" };

/** A line with a name, a bar, and a note beside it. */
function line(...actions) {
  const [name, note] = [element("span", { className: "name" }), element("span", { className: "quiet" })];
  const bar = element("progress");
  const node = element("li", { className: "work" }, name, bar, note, ...actions);
  const show = (title, { done = null, total = null, hidden = false }, text) => {
    write(name, title);
    write(note, text);
    bar.hidden = hidden;
    bar.setAttribute("aria-label", title);
    // Without a value a bar says that nobody knows how far it is.
    if (total) [bar.max, bar.value] = [total, Math.min(done, total)];
    else bar.removeAttribute("value");
  };
  return { node, show };
}

function instanceLine() {
  const { node, show } = line();
  const update = ({ ID: id, Priority: priority, NumberOfFrames: total, CachedFrames: done, Seconds: seconds }) => {
    const frames = total ? `${count(done)} of ${counted(total, "frame")}, ` : "";
    show(`Instance ${shortId(id)}`, { done, total }, `${frames}${String(priority ?? "").toLowerCase()} for ${duration(seconds)}`);
  };
  return { node, update };
}

/** Whether a job has come to its end, one way or another. */
const ended = (job) => ENDED.has(job.State);

export class Work {
  #instances = new KeyedList(byId("work"), (one) => one.ID, instanceLine);
  #jobs = new KeyedList(byId("jobs"), (job) => job.ID, (job) => this.#jobLine(job));
  #archive;
  #changed;
  #now = "";

  /** `changed` is called when the server should be asked anew. */
  constructor(archive, changed) {
    [this.#archive, this.#changed] = [archive, changed];
  }

  /** `statistics` and `jobs` as the plugin tells them; null where it tells none. */
  show(statistics, jobs) {
    byId("activity").hidden = !statistics && !jobs;
    this.#now = statistics?.Now ?? new Date().toISOString();
    const { AtWork: atWork, Length: waiting } = statistics?.Queue ?? { AtWork: [], Length: 0 };
    this.#instances.show(atWork);
    byId("work-none").hidden = atWork.length > 0;
    write(byId("work-none"), waiting ? "About to start." : "Idle: nothing is queued.");
    const all = jobs?.Jobs ?? [];
    this.#jobs.show([...all.filter((job) => !ended(job)), ...all.filter(ended).slice(0, KEPT)]);
    byId("jobs-none").hidden = all.length > 0;
  }

  #jobLine(job) {
    const cancel = element("button", { type: "button", textContent: "Cancel" });
    const pause = element("button", { type: "button", textContent: "Pause" });
    const { node, show } = line(pause, cancel);
    let isPaused = false;
    pause.addEventListener("click", () => this.#act(job, isPaused ? "resume" : "pause", isPaused ? "resumed" : "paused"));
    cancel.addEventListener("click", () => this.#act(job, "cancel", "cancelled"));
    let name = "";
    if (job.Level === "studies") {
      this.#archive.study(job.Subject).then((study) => (name = study?.name ?? ""), () => {});
    }
    const update = (job) => {
      const subject = name || (job.Subject ? `${job.Level ?? ""} ${shortId(job.Subject)}`.trim() : "");
      const title = `${KINDS[job.Kind] ?? job.Kind} ${subject}`.trim();
      if (ended(job) && [cancel, pause].includes(document.activeElement)) node.closest("[tabindex]").focus({ preventScroll: true });
      cancel.hidden = ended(job);
      cancel.setAttribute("aria-label", `Cancel: ${title}`);
      isPaused = job.State === "paused";
      pause.hidden = ended(job) || !job.CanPause;
      write(pause, isPaused ? "Resume" : "Pause");
      pause.setAttribute("aria-label", `${isPaused ? "Resume" : "Pause"}: ${title}`);
      node.dataset.state = job.State;
      show(title, { done: job.Done, total: job.Total, hidden: ended(job) }, this.#state(job));
    };
    return { node, update };
  }

  #state({ State: state, Done: done, Total: total, Unit: unit, Bytes: size, Ended: end, Error: error }) {
    const one = unit.replace(/s$/, "");
    const many = total === null || total === done ? counted(done, one) : `${count(done)} of ${counted(total, one)}`;
    const parts = [state, many, size ? bytes(size) : "", end ? ago(end, this.#now) : "", error ?? ""];
    return parts.filter(Boolean).join(" · ");
  }

  async #act(job, action, done) {
    try {
      await act(`jobs/${job.ID}/${action}`);
      announce(`The job is ${done}.`);
    } catch (error) {
      announce(`Not ${done}: ${error.message}`, "bad");
    }
    this.#changed();
  }
}
