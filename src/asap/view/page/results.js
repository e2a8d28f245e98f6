// Results of runs of kind eval, rank and lab, side by side; and where two models differ.

import { get, getRuns, isOffered, isStatic } from "asap/api";
import { announce, el } from "asap/dom";
import { count } from "asap/format";
import { addressProblem } from "asap/problem_list";
import { keepInAddress } from "asap/routes";
import { followRow, makeStepper } from "asap/runs";
import { scroller, showNote, showNotes, showPlots, showTable } from "asap/table";

/** @typedef {import("./api.js").Run} Run */

const ONLY = [
  ["differ", "where they differ"],
  ["a_only", "only A passed"],
  ["b_only", "only B passed"],
  ["both_wrong", "both wrong"],
  ["both_passed", "both passed"],
  ["all", "all"],
];
const PAGE = 100;

/** @param {import("./routes.js").Route} route */
export async function resultsView({ params }) {
  const { runs } = await getRuns();
  const able = runs.filter(({ kind }) => kind !== "prune" && kind !== "train");
  const asked = params.get("runs")?.split(",").map(Number);
  const chosen = able.filter(({ n }) => !asked || asked.includes(n));
  const found = el("div", { class: "found" }, await showResults(chosen));
  const step = makeStepper();
  const evals = able.filter(({ kind }) => kind === "eval");
  const differences = evals.length > 1 && !isStatic ? new Differences(evals, params) : null;
  if (differences) await differences.load();
  return {
    title: "Results",
    node: [showChoice(able, chosen, found), found, differences?.node],
    keys: [
      { keys: ["j", "ArrowDown"], says: "next problem", act: () => step(1) },
      { keys: ["k", "ArrowUp"], says: "previous problem", act: () => step(-1) },
    ],
  };
}

/** @param {Run[]} able @param {Run[]} chosen @param {HTMLElement} found */
function showChoice(able, chosen, found) {
  if (able.length < 2 || isStatic) return null;
  const boxes = able.map((run) => el("input", { type: "checkbox", name: "run", checked: chosen.includes(run) }));
  const change = async () => {
    const now = able.filter((_, at) => boxes[at].checked);
    keepInAddress(["results"], { runs: now.map(({ n }) => n).join(",") });
    found.replaceChildren(...el("div", null, await showResults(now)).childNodes);
    announce(`Results of ${now.map(({ name }) => name).join(", ") || "no run"}`);
  };
  return el(
    "fieldset",
    { class: "choice", onchange: () => void change() },
    el("legend", null, "Runs"),
    able.map((run, at) => el("label", { class: "inline" }, boxes[at], " ", run.name, el("span", { class: "quiet" }, ` ${run.kind}`))),
  );
}

/** @param {Run[]} runs */
async function showResults(runs) {
  if (runs.length === 0) return el("p", { class: "note" }, "No run of asap eval, rank or lab is chosen.");
  const path = `/api/overview?runs=${runs.map(({ n }) => n).join(",")}`;
  if (!isOffered(path)) return null;
  const { tables, plots, notes = [] } = await get(path);
  const [lead, ...others] = notes; // what the figures are evidence of comes before them
  return [lead && showNote(lead), showPlots(plots), showNotes(others), tables.map(showTable)];
}

class Differences {
  /** @param {Run[]} runs at least two of kind eval @param {URLSearchParams} params */
  constructor(runs, params) {
    this.runs = runs;
    this.state = {
      a: params.get("a") ?? String(runs[0].n),
      b: params.get("b") ?? String(runs[1].n),
      benchmark: params.get("benchmark") ?? "",
      only: params.get("only") ?? "differ",
      offset: Number(params.get("offset") ?? 0),
    };
    this.params = params;
    this.found = el("div", { class: "found" });
    this.form = el("form", { class: "filters", "aria-label": "Problems", onsubmit: stop });
    this.node = el("section", { class: "differences" }, el("h2", null, "Problem by problem"), this.form, this.found);
  }

  /** @param {string[]} benchmarks those of both runs */
  fillForm(benchmarks) {
    const runs = this.runs.map(({ n, name }) => [String(n), name]);
    this.form.replaceChildren(
      this.select("a", "model A", runs),
      this.select("b", "model B", runs),
      this.select("only", "show", ONLY),
      benchmarks.length > 1 ? this.select("benchmark", "benchmark", [["", "any"], ...benchmarks.map((name) => [name, name])]) : "",
    );
  }

  /** @param {"a" | "b" | "only" | "benchmark"} name @param {string} label @param {string[][]} options */
  select(name, label, options) {
    const onchange = (/** @type {any} */ event) => void this.change({ [name]: event.target.value });
    const shown = options.map(([value, text]) => el("option", { value, selected: value === this.state[name] }, text));
    return el("label", null, el("span", null, label), el("select", { name, onchange }, shown));
  }

  /** @param {Record<string, any>} changes */
  change(changes) {
    Object.assign(this.state, { offset: 0 }, changes);
    keepInAddress(["results"], { runs: this.runsShown(), ...this.state, offset: this.state.offset || null });
    return this.load();
  }

  /** The runs that the view is about, as its address has them. */
  runsShown() {
    return new URLSearchParams(location.hash.split("?")[1]).get("runs");
  }

  async load() {
    const { a, b, benchmark, only, offset } = this.state;
    const path = `/api/problems?${new URLSearchParams({ a, b, ...(benchmark && { benchmark }), only, offset: String(offset), limit: String(PAGE) })}`;
    try {
      const page = await get(path);
      if (this.form.children.length === 0 || !document.activeElement?.closest("form")) this.fillForm(page.benchmarks ?? []);
      this.show(page);
    } catch (error) {
      this.found.replaceChildren(el("p", { class: "note", role: "alert" }, error instanceof Error ? error.message : String(error)));
    }
  }

  /** @param {{total: number, rows: any[]}} page */
  show({ total, rows }) {
    const { a, b, offset } = this.state;
    const name = (/** @type {string} */ n) => this.runs.find((run) => String(run.n) === n)?.name ?? n;
    const where = total === 0 ? "No problem." : `${count(offset + 1)}–${count(offset + rows.length)} of ${count(total)} problems`;
    announce(where);
    const turner = (/** @type {string} */ text, /** @type {number} */ to, /** @type {boolean} */ is_off) =>
      el("button", { type: "button", disabled: is_off, onclick: () => void this.change({ offset: to }) }, text);
    const pager = el("div", { class: "pager" }, el("p", null, where), total > PAGE && [turner("Previous", offset - PAGE, offset === 0), turner("Next", offset + PAGE, offset + PAGE >= total)]);
    const headings = ["problem", "benchmark", name(a), "tokens", name(b), "tokens"];
    const body = rows.map((row, at) => {
      const address = addressProblem(row, { runs: this.runsShown(), a, b, in: this.state.benchmark, only: this.state.only, at: offset + at });
      return el(
        "tr",
        { onclick: (/** @type {MouseEvent} */ event) => followRow(event, address) },
        el("th", { scope: "row" }, el("a", { class: "open", href: address }, row.id)),
        el("td", null, row.benchmark),
        el("td", null, showVerdict(row.a)),
        el("td", { class: "number" }, count(row.a_tokens)),
        el("td", null, showVerdict(row.b)),
        el("td", { class: "number" }, count(row.b_tokens)),
      );
    });
    const head = headings.map((heading) => el("th", { scope: "col", class: heading === "tokens" && "number" }, heading));
    const table = el("table", { class: "rows" }, el("caption", { class: "hidden" }, "Problems"), el("thead", null, el("tr", null, head)), el("tbody", null, body));
    this.found.replaceChildren(pager, ...(rows.length ? [scroller("Problems", table)] : []));
  }
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
}

/** A verdict by shape, word and colour. @param {string | null} verdict */
export function showVerdict(verdict) {
  if (!verdict) return el("span", { class: "quiet" }, "none");
  return el("span", { class: `verdict ${verdict === "passed" ? "is-passed" : "is-failed"}` }, verdict.replaceAll("_", " "));
}
