// The question before something is changed.

import { byId, write } from "./element.js";

export class Confirmation {
  #dialog = byId("confirmation");
  #answer = null;

  constructor() {
    this.#dialog.addEventListener("close", () => this.#closed());
  }

  /** Ask; the answer is a promise of true or false. Escape and the page behind mean no. */
  ask({ question, subject, consequence, agree, dangerous = false }) {
    write(byId("question"), question);
    write(byId("subject"), subject);
    write(byId("consequence"), consequence);
    write(byId("agree"), agree);
    byId("agree").classList.toggle("dangerous", dangerous);
    this.#answer?.(false);
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    byId(dangerous ? "refuse" : "agree").focus();
    return new Promise((resolve) => (this.#answer = resolve));
  }

  /** A browser tells of it a moment later: when the next question is asked already, it is not that one's answer. */
  #closed() {
    if (this.#dialog.open) return;
    this.#answer?.(this.#dialog.returnValue === "go");
    this.#answer = null;
  }
}

/** Tell for some seconds what was done, or why it was not. */
export function announce(text, level = "good") {
  const place = byId("announcement");
  place.className = `announcement ${level}`;
  write(place, text);
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => write(place, ""), 8000);
}
