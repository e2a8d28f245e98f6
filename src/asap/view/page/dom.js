// Making and filling nodes. Trace text is hostile: it becomes text nodes and nothing else, and no
// module of this page parses HTML.

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any> | null} [attributes] a function is a listener (`onclick`), `style` an
 *   object of properties; null, undefined and false leave an attribute out, true makes it empty
 * @param {...Child} children strings and numbers become text nodes
 * @returns {any} the element
 */
export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * The same for SVG.
 * @param {string} tag
 * @param {Record<string, any> | null} [attributes]
 * @param {...Child} children
 * @returns {any}
 */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * @param {any} element
 * @param {Record<string, any> | null | undefined} attributes
 * @param {Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") setStyle(element, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** @param {any} element @param {Record<string, string>} properties */
function setStyle(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
}

/** @param {Node} parent @param {Child[]} children */
function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Text for screen readers only. @param {string} text */
export function hidden(text) {
  return el("span", { class: "hidden" }, text);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let announcing;

/**
 * Says what has changed to a screen reader, once things have settled.
 * @param {string} text
 */
export function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    const live = document.getElementById("live");
    if (live) live.textContent = text;
  }, 300);
}

/**
 * Calls a function once the calls have stopped coming.
 * @template {any[]} A
 * @param {(...values: A) => void} act
 * @param {number} delay_ms
 * @returns {(...values: A) => void}
 */
export function settled(act, delay_ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), delay_ms);
  };
}
