// Whether it works, and what to change where it does not.

import { byId, element, KeyedList, write } from "./element.js";
import { clock } from "./format.js";

const ICONS = { good: "✓", warn: "!", bad: "✕" };
const NAMES = { DicomWebPlugin: "DICOMweb plugin", OhifDataSource: "OHIF data source", OrthancVersion: "Orthanc version", PythonPluginVersion: "Python plugin version" };

/** What the status says in one word, with how bad that is. */
export function verdict({ Serving: serving, Degraded: degraded, Checks: checks, Archive: archive, Cluster: cluster }) {
  if (!serving) return ["bad", "Off"];
  if (degraded) return ["bad", "Degraded"];
  const isWell = checks.every((check) => check.Passed) && !archive?.Fault && !cluster?.Fault;
  return isWell ? ["good", "Working"] : ["warn", "Working, with advice"];
}

/** What an error means for the page, in a word or two, and the reason. */
function refusal({ name, status, message }) {
  if (status === 401 || status === 403) return ["Not allowed", message];
  if (status === 404) return ["Off", 'the frame cache has no routes here: it is not loaded, or its setting "AdminRoutes" is off'];
  return ["No answer", name === "TypeError" || name === "TimeoutError" ? "Orthanc cannot be reached" : message];
}

function line({ Name: name }) {
  const icon = element("span", { className: "icon", "aria-hidden": "true" });
  const verdict = element("span", { className: "hidden" });
  const advice = element("p", { className: "advice-text" });
  const node = element("li", {}, icon, element("span", {}, words(name), verdict), advice);
  const update = ({ Passed: passed, Advice: why = "" }) => {
    node.className = passed ? "good" : "bad";
    write(icon, passed ? ICONS.good : ICONS.bad);
    write(verdict, passed ? ": passed" : ": failed");
    write(advice, why);
  };
  return { node, update };
}

/** "RouteOrder" as "Route order". */
export const words = (name) => NAMES[name] ?? name.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function advice() {
  const [title, text] = [element("strong"), element("span")];
  return {
    node: element("li", { className: "notice" }, title, " ", text),
    update: (one) => {
      write(title, `${one.title}.`);
      write(text, one.text);
    },
  };
}

export class Health {
  #checks = new KeyedList(byId("checks"), (check) => check.Name, line);
  #advice = new KeyedList(byId("advice"), (one) => one.title, advice);
  #silentSince = null;

  /** The server has answered `status`. */
  show(status) {
    this.#silentSince = null;
    byId("silence").hidden = true;
    byId("main").classList.remove("stale");
    this.#pill(...verdict(status));
    this.#advise(status);
    byId("health").hidden = false;
    this.#checks.show(status.Checks);
    const versions = Object.entries({ "frame cache": status.Version, ...status.Versions });
    write(byId("versions"), versions.filter(([, version]) => version).map((pair) => pair.join(" ")).join(" · "));
    write(byId("updated"), `as of ${clock(Date.now(), { hour: "2-digit", minute: "2-digit", second: "2-digit" })}`);
  }

  /** It has not, but for the `error`. What is shown is old, and said to be. */
  silent(error) {
    const isFirst = byId("health").hidden;
    this.#silentSince ??= clock(Date.now(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const [word, reason] = refusal(error);
    this.#pill("bad", word);
    byId("main").classList.add("stale");
    byId("silence").hidden = false;
    const older = isFirst ? "" : " The figures below are older.";
    write(byId("silence"), `${word} since ${this.#silentSince}: ${reason.replace(/\.$/, "")}.${older} Trying again.`);
  }

  #pill(level, text) {
    byId("state").className = `pill ${level}`;
    write(byId("state"), `${ICONS[level]} ${text}`);
    document.title = level === "good" ? "Frame cache" : `${text} – frame cache`;
  }

  #advise({ Checks: checks, Degraded: degraded, Archive: archive, Cluster: cluster }) {
    const failed = checks.filter((check) => !check.Passed && !(degraded && check.Name === "Directory"));
    const found = failed.map((check) => ({ title: words(check.Name), text: check.Advice }));
    if (degraded) {
      const since = new Date(degraded.Since).toLocaleString();
      found.unshift({ title: "Degraded", text: `Nothing has been cached since ${since}; frames come from Orthanc's files: ${degraded.Reason}` });
    }
    if (archive?.Fault) {
      const since = new Date(archive.Fault.Since).toLocaleString();
      found.push({ title: "Archive", text: `Out of reach since ${since}; nothing else waits for it: ${archive.Fault.Reason}` });
    }
    if (cluster?.Fault) {
      const since = new Date(cluster.Fault.Since).toLocaleString();
      found.push({ title: "Cluster", text: `The shared database has not answered since ${since}; only shared work waits for it: ${cluster.Fault.Reason}` });
    }
    byId("advice").hidden = !found.length;
    this.#advice.show(found);
  }
}
