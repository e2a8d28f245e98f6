// One problem of a benchmark: what one model or two said to it, and the verdicts. And the list of a
// single run's problems.

import { get, getRuns, query } from "asap/api";
import { announce, el, settled } from "asap/dom";
import { count, several } from "asap/format";
import { showText } from "asap/pieces";
import { PAGE, addressList, addressProblem, findNeighbours } from "asap/problem_list";
import { go, href, keepInAddress } from "asap/routes";
import { showVerdict } from "asap/results";
import { followRow, makeStepper } from "asap/runs";
import { scroller } from "asap/table";

/** @param {import("./routes.js").Route} route */
export async function problemView({ parts, params }) {
  const [, benchmark, id] = parts;
  const [a, b, budget, sample] = ["a", "b", "budget", "sample"].map((name) => params.get(name));
  const path = query(`/api/problems/${encodeURIComponent(benchmark)}/${encodeURIComponent(id)}`, { a, b, budget, sample, full: params.get("full") });
  const [{ runs }, problem] = await Promise.all([getRuns(), get(path)]);
  const showAll = () => go(href(parts, { ...Object.fromEntries(params), full: 1 }));
  const sides = [[a, problem.a], [b, problem.b]].filter(([, side]) => side);
  const neighbours = await findNeighbours(benchmark, id, params).catch(() => null);
  const turn = (/** @type {"before" | "after"} */ which) => {
    const address = neighbours?.[which];
    if (address) go(address);
    else announce("No further problem");
  };
  return {
    title: `${benchmark} ${id}`,
    run: b ? undefined : Number(a),
    node: [
      showTurns(neighbours, addressList(params)),
      showQuestion(problem, showAll),
      problem.budgets?.length > 1 && showBudgets(parts, params, problem),
      el("div", { class: sides.length > 1 ? "answers pair" : "answers" }, sides.map(([n, side]) => showSide(runs[Number(n)]?.name ?? String(n), side, showAll))),
    ],
    keys: [
      { keys: ["n"], says: "next problem of the list", act: () => turn("after") },
      { keys: ["p"], says: "previous problem of the list", act: () => turn("before") },
      { keys: ["Escape"], says: "back to the list", act: () => go(addressList(params)) },
    ],
  };
}

/** @param {Awaited<ReturnType<typeof findNeighbours>>} neighbours @param {string} list */
function showTurns(neighbours, list) {
  const turn = (/** @type {string | null} */ address, /** @type {string} */ text, /** @type {string} */ key) =>
    el("a", { class: "button", href: address, "aria-keyshortcuts": key, ...(address ? {} : { role: "link", "aria-disabled": "true" }) }, text);
  return el(
    "p",
    { class: "actions" },
    neighbours && [
      turn(neighbours.before, "Previous", "p"),
      el("span", { class: "quiet number" }, `${count(neighbours.position + 1)} of ${count(neighbours.total)}`),
      turn(neighbours.after, "Next", "n"),
    ],
    el("a", { class: "button", href: list }, "List"),
  );
}

/** @param {{benchmark: string, id: string, question: any, files: string[]}} problem @param {() => void} showAll */
function showQuestion({ benchmark, id, question, files }, showAll) {
  if (!question) {
    const file = files.length ? ` (${files.join(", ")})` : "";
    return el("p", { class: "note" }, `The question is ${id} of ${benchmark}${file}. This run folder does not hold its text.`);
  }
  const shown = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Question" }, showText(question, showAll));
  return el("details", { class: "panel question", open: true }, el("summary", null, "Question"), shown);
}

/** @param {string[]} parts @param {URLSearchParams} params @param {{budget: number, budgets: number[]}} problem */
function showBudgets(parts, params, { budget, budgets }) {
  const links = budgets.map((each) =>
    el("a", { class: "button", href: href(parts, { ...Object.fromEntries(params), budget: each }), "aria-current": each === budget && "true" }, count(each)),
  );
  return el("p", { class: "pager" }, el("span", { class: "quiet" }, "Budget, tokens"), links);
}

/** @param {string} name @param {any} side @param {() => void} showAll */
function showSide(name, { verdict, message, n_tokens, text }, showAll) {
  return el(
    "section",
    { class: "panel", "aria-label": name },
    el("h2", null, name),
    el("p", { class: "sum" }, showVerdict(verdict), el("span", { class: "number quiet" }, several(n_tokens ?? 0, "token"))),
    message && el("pre", { class: "message", tabindex: 0 }, message),
    showText(text, showAll),
  );
}

/** @param {import("./routes.js").Route} route */
export async function problemsView({ parts, params }) {
  const n = Number(parts[1]);
  const found = el("div", { class: "found" });
  let offset = Number(params.get("offset") ?? 0);
  /** @type {Record<string, string>} */
  const filters = {};
  for (const name of ["benchmark", "verdict", "id"]) filters[name] = params.get(name) ?? "";

  async function load() {
    const page = await get(query(`/api/runs/${n}/problems`, { ...filters, offset, limit: PAGE }));
    found.replaceChildren(...showProblems(n, page, offset, turn, filters));
    return page;
  }

  /** @param {number} to */
  function turn(to) {
    offset = to;
    keepInAddress(parts, { ...filters, offset: offset || null });
    void load();
  }

  /** @param {string} name @param {string} value */
  function filter(name, value) {
    filters[name] = value;
    turn(0);
  }

  /** @param {string} name @param {string[] | undefined} values */
  function select(name, values) {
    if (!values || values.length < 2) return null;
    const onchange = (/** @type {any} */ event) => filter(name, event.target.value);
    const options = ["", ...values].map((value) => el("option", { value, selected: value === filters[name] }, value || "any"));
    return el("label", null, el("span", null, name), el("select", { name, onchange }, options));
  }

  const { benchmarks, verdicts } = await load();
  const send = settled((/** @type {string} */ value) => filter("id", value), 250);
  const oninput = (/** @type {any} */ event) => send(event.target.value);
  const form = el(
    "form",
    { class: "filters", "aria-label": "Problems", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    el("label", null, el("span", null, "id"), el("input", { type: "search", name: "id", value: filters.id, oninput })),
    select("benchmark", benchmarks),
    select("verdict", verdicts),
  );
  const step = makeStepper();
  return {
    title: "Problems",
    run: n,
    node: [form, found],
    keys: [
      { keys: ["j", "ArrowDown"], says: "next problem", act: () => step(1) },
      { keys: ["k", "ArrowUp"], says: "previous problem", act: () => step(-1) },
    ],
  };
}

/** @param {number} n @param {{total: number, rows: any[]}} page @param {number} offset @param {(to: number) => void} turn @param {Record<string, string>} filters */
function showProblems(n, { total, rows }, offset, turn, filters) {
  const where = total === 0 ? "No problem fits." : `${count(offset + 1)}–${count(offset + rows.length)} of ${count(total)} problems`;
  announce(where);
  const turner = (/** @type {string} */ text, /** @type {number} */ to, /** @type {boolean} */ is_off) => el("button", { type: "button", disabled: is_off, onclick: () => turn(to) }, text);
  const pager = el("div", { class: "pager" }, el("p", null, where), total > PAGE && [turner("Previous", offset - PAGE, offset === 0), turner("Next", offset + PAGE, offset + PAGE >= total)]);
  if (rows.length === 0) return [pager];
  const head = ["problem", "benchmark", "budget", "verdict", "tokens"].map((heading) => el("th", { scope: "col", class: ["budget", "tokens"].includes(heading) && "number" }, heading));
  const body = rows.map((row, at) => {
    const address = addressProblem(row, { a: n, in: filters.benchmark, verdict: filters.verdict, like: filters.id, at: offset + at });
    return el(
      "tr",
      { onclick: (/** @type {MouseEvent} */ event) => followRow(event, address) },
      el("th", { scope: "row" }, el("a", { class: "open", href: address }, row.id)),
      el("td", null, row.benchmark),
      el("td", { class: "number" }, count(row.budget)),
      el("td", null, showVerdict(row.verdict)),
      el("td", { class: "number" }, count(row.n_tokens), row.is_cut ? " (cut)" : ""),
    );
  });
  return [pager, scroller("Problems", el("table", { class: "rows" }, el("caption", { class: "hidden" }, "Problems"), el("thead", null, el("tr", null, head)), el("tbody", null, body)))];
}
