// One run at a glance: what went in and out, what each stage took, the plots, how it was made.

import { get } from "asap/api";
import { el, hidden } from "asap/dom";
import { count, percent } from "asap/format";
import { href } from "asap/routes";
import { scroller, showNote, showNotes, showPairs, showPlots, showTable } from "asap/table";

/** @param {import("./routes.js").Route} route */
export async function overviewView(route) {
  const n = Number(route.parts[1]);
  const run = await get(`/api/runs/${n}/overview`);
  const [lead, ...others] = run.notes;
  return {
    title: run.name,
    run: n,
    node: [
      showNumbers(run.summary),
      run.status !== "finished" && el("p", { class: "banner" }, `This run is ${run.status}: the numbers are of what stands in its folder.`),
      lead && showNote(lead),
      showFunnel(run.funnel),
      showExcluded(n, run.kind, run.excluded),
      showNotes(others),
      run.tables.map(showTable),
      showPlots(run.plots),
      el(
        "div",
        { class: "about" },
        showPairs("Recipe", run.recipe),
        showPairs("Time", run.timings),
        showPairs("Versions", run.versions),
      ),
    ],
  };
}

/** @param {[string, string][]} summary */
function showNumbers(summary) {
  if (summary.length === 0) return null;
  return el(
    "dl",
    { class: "numbers" },
    summary.map(([label, value]) => el("div", null, el("dt", null, label), el("dd", null, value))),
  );
}

/** @param {{stage: string, rows?: number | null, steps: number | null, tokens: number | null}[]} funnel */
function showFunnel(funnel) {
  if (funnel.length === 0) return null;
  const [first] = funnel;
  const caption = funnel.length > 2 ? "What each stage left" : "What was left";
  /** @param {number | null | undefined} value @param {number | null | undefined} whole */
  const cell = (value, whole) =>
    el(
      "td",
      { class: "number share" },
      value && whole ? el("span", { class: "bar", style: { "--share": String(value / whole) } }) : null,
      el("span", { class: "amount" }, count(value)),
      value && whole ? el("span", { class: "of" }, percent(value / whole, 0)) : null,
    );
  const has_rows = funnel.some(({ rows }) => rows !== null && rows !== undefined);
  return el(
    "section",
    { class: "table funnel" },
    scroller(
      caption,
      el(
        "table",
        null,
        el("caption", null, caption),
        el(
          "thead",
          null,
          el(
            "tr",
            null,
            [funnel.length > 2 ? "stage" : "when", ...(has_rows ? ["rows"] : []), "steps", "tokens"].map((heading, at) =>
              el("th", { scope: "col", class: at > 0 && "number" }, heading),
            ),
          ),
        ),
        el(
          "tbody",
          null,
          funnel.map(({ stage, rows, steps, tokens }) =>
            el(
              "tr",
              null,
              el("th", { scope: "row" }, stage),
              has_rows && cell(rows, first.rows),
              cell(steps, first.steps),
              cell(tokens, first.tokens),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {number} n @param {string} kind @param {{reason: string, count: number}[]} excluded */
function showExcluded(n, kind, excluded) {
  if (excluded.length === 0) return null;
  return el(
    "section",
    null,
    el("h2", null, "Excluded rows"),
    el(
      "ul",
      { class: "reasons" },
      excluded.map((each) =>
        el(
          "li",
          null,
          kind === "prune" ? el("a", { href: href(["run", n, "traces"], { reason: each.reason }) }, each.reason) : each.reason,
          " ",
          el("span", { class: "number" }, count(each.count), hidden(" rows")),
        ),
      ),
    ),
  );
}
