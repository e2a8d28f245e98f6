// The search in text: hits as they come, and how far it has come.

import { get, query } from "asap/api";
import { announce, el } from "asap/dom";
import { count, several } from "asap/format";
import { href } from "asap/routes";

/** @typedef {{row: number, id: string, where: string, before: string, match: string, after: string}} Hit */

const MOST_SHOWN = 200;

/**
 * Searches until the end, or until enough is shown; the list grows while it does.
 * @param {number} n
 * @param {string} text
 * @param {AbortSignal} signal stops it
 * @returns {Node}
 */
export function searchText(n, text, signal) {
  const hits = el("ol", { class: "hits" });
  const progress = el("progress", { max: 1, "aria-label": "Rows searched" });
  const said = el("p", null, "Searching …");
  const more = el("p", null);
  void run(null, 0);
  return el("section", { class: "search", "aria-label": "Search results" }, el("div", { class: "pager" }, said, progress), hits, more);

  /** @param {string | number | null} cursor @param {number} n_before hits before this round */
  async function run(cursor, n_before) {
    more.replaceChildren();
    try {
      for (;;) {
        const answer = await get(query(`/api/runs/${n}/search`, { q: text, cursor, limit: 20 }), signal);
        if (signal.aborted) return;
        hits.append(...answer.hits.map((/** @type {Hit} */ hit) => showHit(n, text, hit)));
        cursor = answer.cursor;
        tell(answer, cursor === null);
        if (cursor === null) return;
        if (hits.children.length - n_before >= MOST_SHOWN) break;
      }
      const n_shown = hits.children.length;
      more.append(el("button", { type: "button", onclick: () => void run(cursor, n_shown) }, "Search on"));
      announce(`${several(n_shown, "hit")} so far`);
    } catch (error) {
      if (!signal.aborted) said.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {{n_searched: number, n_rows: number}} answer @param {boolean} is_end */
  function tell({ n_searched, n_rows }, is_end) {
    const found = several(hits.children.length, "hit");
    said.textContent = is_end ? `${found} in ${several(n_rows, "row")}` : `${found}; ${count(n_searched)} of ${several(n_rows, "row")} searched`;
    progress.value = n_rows ? n_searched / n_rows : 1;
    progress.hidden = is_end;
    if (is_end) announce(said.textContent ?? "");
  }
}

/** @param {number} n @param {string} text @param {Hit} hit */
function showHit(n, text, { row, id, where, before, match, after }) {
  return el(
    "li",
    null,
    el("a", { class: "open", href: href(["run", n, "trace", row], { at: row, find: text }) }, id || `row ${row}`),
    el("span", { class: "where" }, where),
    el("span", { class: "snippet" }, before, el("mark", null, match), after),
  );
}
