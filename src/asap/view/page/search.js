// The search in text: hits as they come, and how far it has come. What was found is kept while the
// reader walks from hit to hit.

import { get, query } from "asap/api";
import { announce, el } from "asap/dom";
import { count, several } from "asap/format";
import { pickFilters, pickList } from "asap/listing";
import { href } from "asap/routes";

/** @typedef {{row: number, id: string, where: string, before: string, match: string, after: string}} Hit */

const MOST_SHOWN = 200;

/** A search of some rows of a run, and how far it has come. */
class TextSearch {
  /** @param {number} n @param {string} text @param {Record<string, string>} filters */
  constructor(n, text, filters) {
    this.n = n;
    this.text = text;
    this.filters = filters;
    /** @type {Hit[]} */
    this.hits = [];
    /** @type {string | null} */
    this.cursor = "";
    this.n_searched = 0;
    this.n_rows = 0;
    /** @type {Promise<void> | null} */
    this.asking = null;
  }

  get isDone() {
    return this.cursor === null;
  }

  /** Asks for the next hits, once for all who want them. @returns {Promise<void>} */
  ask() {
    this.asking ??= this.goOn().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  async goOn() {
    const params = { ...this.filters, q: this.text, cursor: this.cursor, limit: 20 };
    const answer = await get(query(`/api/runs/${this.n}/search`, params));
    this.hits.push(...answer.hits);
    this.cursor = answer.cursor;
    this.n_searched = answer.n_searched;
    this.n_rows = answer.n_rows;
  }

  /**
   * The hits before and after one, and where it stands; null where it has not been found.
   * @param {number} row
   * @param {string | null} where which field's; the trace's first one by default
   */
  findNeighbours(row, where) {
    const position = this.hits.findIndex((hit) => hit.row === row && (where === null || hit.where === where));
    if (position < 0) return null;
    return { position, before: this.hits[position - 1] ?? null, after: this.hits[position + 1] ?? null };
  }
}

/** @type {TextSearch | null} */
let latest = null;

/**
 * The search that an address means; the latest one is gone on with.
 * @param {number} n
 * @param {string} text
 * @param {URLSearchParams} params
 */
export function openSearch(n, text, params) {
  const filters = pickFilters(params);
  const is_same = latest?.n === n && latest.text === text && JSON.stringify(latest.filters) === JSON.stringify(filters);
  if (!latest || !is_same) latest = new TextSearch(n, text, filters);
  return latest;
}

/**
 * Searches until the end, or until enough is shown; the list grows while it does.
 * @param {number} n
 * @param {string} text
 * @param {URLSearchParams} params of the list: its filters apply
 * @param {AbortSignal} signal stops it
 * @param {() => void} clear takes the filters away
 * @returns {Node}
 */
export function searchText(n, text, params, signal, clear) {
  const search = openSearch(n, text, params);
  const is_filtered = Object.keys(search.filters).length > 0;
  const hits = el("ol", { class: "hits" });
  const progress = el("progress", { max: 1, "aria-label": "Rows searched" });
  const said = el("p", null, "Searching …");
  const more = el("p", null);
  const clearer = is_filtered && el("button", { type: "button", class: "quiet", onclick: clear }, "Clear search and filters");
  void run();
  return el("section", { class: "search", "aria-label": "Search results" }, el("div", { class: "pager" }, said, progress, clearer), hits, more);

  async function run() {
    more.replaceChildren();
    const enough = Math.max(hits.children.length + MOST_SHOWN, search.hits.length);
    try {
      if (search.hits.length > 0 || search.isDone) show();
      while (!search.isDone && search.hits.length < enough) {
        await search.ask();
        if (signal.aborted) return;
        show();
      }
    } catch (error) {
      if (!signal.aborted) said.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    if (search.isDone) return;
    more.append(el("button", { type: "button", onclick: () => void run() }, "Search on"));
    announce(`${several(search.hits.length, "hit")} so far`);
  }

  /** What is new, and how far it has come. */
  function show() {
    const list = pickList(params);
    hits.append(...search.hits.slice(hits.children.length).map((hit) => showHit(n, { ...list, find: text }, hit)));
    const { n_searched, n_rows, isDone } = search;
    const found = several(search.hits.length, "hit");
    const rows = `${several(n_rows, "row")}${is_filtered ? " that pass the filters" : ""}`;
    said.textContent = isDone ? `${found} in ${rows}` : `${found}; ${count(n_searched)} of ${rows} searched`;
    progress.value = n_rows ? n_searched / n_rows : 1;
    progress.hidden = isDone;
    if (isDone) announce(said.textContent ?? "");
  }
}

/** @param {number} n @param {Record<string, string>} params @param {Hit} hit */
function showHit(n, params, { row, id, where, before, match, after }) {
  return el(
    "li",
    null,
    el("a", { class: "open", href: href(["run", n, "trace", row], { ...params, where }) }, id || `row ${row}`),
    el("span", { class: "where" }, where),
    el("span", { class: "snippet" }, before, el("mark", null, match), after),
  );
}
