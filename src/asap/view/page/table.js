// Tables and plots that come as values. What stands in them is decided elsewhere.

import { el, hidden } from "asap/dom";

/** @typedef {import("./api.js").Table} Table */
/** @typedef {import("./api.js").Plot} Plot */

const LONGEST_NOTE = 160;

/** A table with its caption and notes. @param {Table} table @returns {HTMLElement} */
export function showTable({ title, columns, rows, notes = [] }) {
  const head = columns.map(({ heading, is_numeric }) =>
    el("th", { scope: "col", class: is_numeric && "number" }, heading || hidden("label")),
  );
  const body = rows.map((cells) =>
    el("tr", null, cells.map((cell, at) => showCell(cell, columns[at]?.is_numeric ?? false, at === 0))),
  );
  return el(
    "section",
    { class: "table" },
    scroller(
      title,
      el(
        "table",
        null,
        el("caption", null, title),
        el("thead", null, showGroups(columns), el("tr", null, head)),
        el("tbody", null, body),
      ),
    ),
    notes.map(showNote),
  );
}

/** A wide table scrolls in its own box, which the keyboard can reach. @param {string} title @param {Node} table */
export function scroller(title, table) {
  return el("div", { class: "scroll", role: "region", "aria-label": title, tabindex: 0 }, table);
}

/** @param {Table["columns"]} columns */
function showGroups(columns) {
  if (!columns.some(({ group }) => group)) return null;
  /** @type {{group: string, span: number}[]} */
  const groups = [];
  for (const { group } of columns) {
    const last = groups.at(-1);
    if (last && group && last.group === group) last.span += 1;
    else groups.push({ group: group ?? "", span: 1 });
  }
  return el(
    "tr",
    { class: "groups" },
    groups.map(({ group, span }) =>
      group ? el("th", { colspan: span, scope: "colgroup" }, group) : el("td", { colspan: span }),
    ),
  );
}

/** @param {import("./api.js").Cell} cell @param {boolean} is_numeric @param {boolean} is_first */
function showCell({ text, is_best }, is_numeric, is_first) {
  const shown = is_best ? el("strong", null, text, hidden(" (best)")) : text;
  if (is_first && !is_numeric) return el("th", { scope: "row" }, shown);
  return el("td", { class: is_numeric && "number" }, shown);
}

/** A plot with its numbers under it; one without a picture is a table. @param {Plot} plot @returns {HTMLElement} */
export function showPlot({ title, alt, url, table }) {
  return el(
    "figure",
    { class: "plot" },
    el("figcaption", null, title),
    url && el("img", { src: url, alt, loading: "lazy" }),
    el("p", { class: "note", "aria-hidden": url !== null && "true" }, alt),
    table && el("details", { open: url === null }, el("summary", null, "As a table"), showTable(table)),
  );
}

/** @param {string} text */
export function showNote(text) {
  return el("p", { class: "note" }, text);
}

/**
 * Many notes, or long ones: each by its first sentence, the rest of it on demand.
 * @param {string[]} notes
 */
export function showNotes(notes) {
  if (notes.length === 0) return null;
  return el("ul", { class: "notes" }, notes.map((note) => el("li", null, foldNote(note))));
}

/** @param {string} note */
function foldNote(note) {
  const [, first, rest] = note.match(/^(.{20,}?\.)\s+(?=\p{L})(.+)$/su) ?? [];
  if (!rest || note.length <= LONGEST_NOTE) return note;
  return el("details", null, el("summary", null, first), el("p", { class: "note" }, rest));
}

/** @param {Plot[]} plots */
export function showPlots(plots) {
  return plots.length > 0 && el("div", { class: "plots" }, plots.map(showPlot));
}

/** Pairs of words and values. @param {string} title @param {[string, string][]} pairs */
export function showPairs(title, pairs) {
  if (pairs.length === 0) return null;
  return el(
    "section",
    { class: "pairs" },
    el("h2", null, title),
    el("dl", null, pairs.map(([word, value]) => el("div", null, el("dt", null, word), el("dd", null, value)))),
  );
}
