// Elements made of data. Text is set as text and never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element of the page whose id this is. */
export const byId = (id) => document.getElementById(id);

/** An HTML element; `properties` become properties, or attributes where their name has a dash or is `role`. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** An SVG element with attributes. */
export function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Set a node's text; what is so already is left alone, so that a selection in it stays. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The children of `parent`, one for each item. A child lives as long as its item's key: focus stays where it is. */
export class KeyedList {
  #parent;
  #key;
  #make;
  #children = new Map();

  /** `key(item)` names an item; `make(item)` returns `{node, update(item)}`. */
  constructor(parent, key, make) {
    this.#parent = parent;
    this.#key = key;
    this.#make = make;
  }

  show(items) {
    const focused = document.activeElement;
    const shown = new Map();
    for (const item of items) {
      const child = this.#children.get(this.#key(item)) ?? this.#make(item);
      child.update(item);
      shown.set(this.#key(item), child);
    }
    for (const [key, child] of this.#children) if (!shown.has(key)) this.#remove(child.node);
    this.#children = shown;
    this.#order();
    // A node that is moved loses the focus.
    if (focused !== document.activeElement && this.#parent.contains(focused)) focused.focus({ preventScroll: true });
  }

  #remove(node) {
    // Who has just pressed a button in it goes on nearby, not at the top of the page.
    if (node.contains(document.activeElement)) this.#parent.closest("[tabindex]")?.focus({ preventScroll: true });
    node.remove();
  }

  #order() {
    let next = this.#parent.firstElementChild;
    for (const { node } of this.#children.values()) {
      if (node === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(node, next);
    }
  }
}
