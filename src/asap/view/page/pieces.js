// A text in pieces, as the server cuts it: plain text, code, mathematics, marks for what would not
// be seen. Mathematics is drawn when it comes near the screen, as MathML, by KaTeX.

import { el } from "asap/dom";
import { count } from "asap/format";

/** @typedef {import("./api.js").Piece} Piece */
/** @typedef {import("./api.js").Text} Text */

const LONGEST_MATH = 4000;

/** What ends mathematics, by what begins it. @type {Record<string, string>} */
const CLOSING = { $: "$", $$: "$$", "\\(": "\\)", "\\[": "\\]" };

/**
 * @param {Piece[]} pieces
 * @param {boolean} [is_raw] as the text stands: mathematics as TeX, marks where they are
 * @returns {Node[]}
 */
export function showPieces(pieces, is_raw = false) {
  if (is_raw) return pieces.map(showSource);
  let is_after_block = false;
  return pieces.map(([kind, content, detail]) => {
    // The line break between a block and what follows is the block's own edge on the page.
    const text = is_after_block && typeof content === "string" ? content.replace(/^\n/, "") : content;
    is_after_block = kind === "block" || kind === "display";
    if (kind === "block") return el("code", { class: "block" }, showCode(detail ?? content));
    if (kind === "math" || kind === "display") return showMath(text, kind === "display");
    if (kind === "code") return el("code", null, text);
    if (kind === "control") return el("span", { class: "control" }, text);
    if (kind === "fence") return el("span", { class: "fence" }, text);
    return document.createTextNode(text);
  });
}

/** A piece as it stands in the text; what would not be seen has its mark still. @param {Piece} piece */
function showSource([kind, text, detail]) {
  if (kind === "control") return el("span", { class: "control" }, text);
  if (kind === "code") return document.createTextNode(`\`${text}\``);
  const is_math = (kind === "math" || kind === "display") && detail;
  return document.createTextNode(is_math ? `${detail}${text}${CLOSING[detail]}` : text);
}

/** @param {string | [string, string][]} tokens */
function showCode(tokens) {
  if (typeof tokens === "string") return tokens;
  return tokens.map(([kind, text]) => (kind ? el("span", { class: `token-${kind}` }, text) : text));
}

/** @param {string} tex @param {boolean} is_display */
function showMath(tex, is_display) {
  const node = el("code", { class: is_display ? "math display" : "math" }, tex);
  if (tex.length <= LONGEST_MATH) watcher.observe(node);
  return node;
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      void drawMath(target);
    }
  },
  { rootMargin: "400px" },
);

/** @param {Element} node holds the TeX; keeps it where it cannot be drawn */
async function drawMath(node) {
  const tex = node.textContent ?? "";
  try {
    await import("asap/katex");
    const drawn = el("span", { class: "drawn" });
    const displayMode = node.classList.contains("display");
    const limits = { maxExpand: 200, maxSize: 10, trust: false, strict: "ignore" };
    /** @type {any} */ (globalThis).katex.render(tex, drawn, { output: "mathml", displayMode, ...limits });
    node.replaceChildren(drawn);
    node.classList.add("is-drawn");
  } catch {
    node.classList.add("is-source");
  }
}

/**
 * A text with a word on what was left out, and a way to all of it.
 * @param {Text} text
 * @param {(() => void) | null} showAll null where there is no way
 * @param {boolean} [is_raw] as it stands
 */
export function showText(text, showAll, is_raw = false) {
  const body = el("div", { class: is_raw ? "text is-raw" : "text" }, showPieces(text.pieces, is_raw));
  return [body, text.cut ? showCut(text.cut, showAll) : null];
}

/** @param {number} n_chars @param {(() => void) | null} showAll */
export function showCut(n_chars, showAll) {
  const more = showAll && el("button", { type: "button", onclick: showAll }, "Show all");
  return el("p", { class: "note cut" }, `Cut: ${count(n_chars)} characters in all. `, more);
}
