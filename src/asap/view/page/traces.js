// The rows of a run: filters, order, pages; and the search in their texts.

import { isStatic } from "asap/api";
import { announce, el, hidden, settled } from "asap/dom";
import { count, decimal, percent } from "asap/format";
import { LIST_PARAMS, RANGES, listTraces, pickList } from "asap/listing";
import { href, keepInAddress } from "asap/routes";
import { followRow, makeStepper } from "asap/runs";
import { searchText } from "asap/search";
import { scroller } from "asap/table";

/** @typedef {import("./api.js").TraceList} TraceList */
/** @typedef {import("./api.js").TraceRow} TraceRow */

const PAGE = 100;
const STAGE1_MODES = ["extract", "select", "rewrite"];

/** @type {[string, string, boolean][]} name, heading, whether numeric */
const COLUMNS = [
  ["row", "row", true],
  ["id", "id", false],
  ["outcome", "outcome", false],
  ["mode", "stage 1", false],
  ["tokens_before", "tokens before", true],
  ["tokens_after", "after", true],
  ["kept", "kept", true],
  ["steps_before", "steps before", true],
  ["steps_after", "after", true],
  ["similarity", "similarity", true],
];

/** @param {import("./routes.js").Route} route */
export async function tracesView(route) {
  const n = Number(route.parts[1]);
  const list = new TraceTable(n, route.params);
  await list.load();
  const step = makeStepper();
  /** @param {1 | -1} direction */
  const walk = async (direction) => {
    if (step(direction) || !(await list.turn(direction))) return;
    step(direction);
  };
  return {
    title: "Traces",
    run: n,
    node: list.node,
    leave: () => list.leave(),
    keys: [
      { keys: ["j", "ArrowDown"], says: "next row", act: () => void walk(1) },
      { keys: ["k", "ArrowUp"], says: "previous row", act: () => void walk(-1) },
      { keys: ["Enter"], says: "open the row", act: () => openActive() },
      ...(isStatic ? [] : [{ keys: ["/"], says: "search in text", act: () => list.focusSearch() }]),
      { keys: ["f"], says: "to the filters", act: () => list.focusFilters() },
      { keys: ["Escape"], says: "clear search and filters", act: () => list.clear() },
    ],
  };
}

/** Enter on a row itself, not on one of its links. */
function openActive() {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  if (active?.matches("a, button")) active.click();
}

class TraceTable {
  /** @param {number} n @param {URLSearchParams} params */
  constructor(n, params) {
    this.n = n;
    this.params = new URLSearchParams(params);
    this.loading = new AbortController();
    this.found = el("div", { class: "found" });
    this.form = el("form", { class: "filters", role: "search", "aria-label": "Rows", onsubmit: stop });
    this.node = [this.form, this.found];
    this.has_form = false;
    /** @type {TraceList | null} */
    this.page = null;
  }

  get offset() {
    return Number(this.params.get("offset") ?? 0);
  }

  /** Asks for the page that the parameters mean, or searches, and shows it. */
  async load() {
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    if (!this.has_form) {
      // What the filters offer, then the page itself: with no filters the two are one question.
      const is_plain = Object.keys(pickList(this.params)).length === 0 && this.offset === 0;
      const all = await listTraces(this.n, {}, 0, is_plain ? PAGE : 1, signal);
      this.fillForm(all);
      this.has_form = true;
      if (is_plain && !this.params.get("q")) {
        this.show(all);
        return;
      }
    }
    const text = this.params.get("q");
    if (text && !isStatic) {
      this.page = null;
      this.found.replaceChildren(searchText(this.n, text, this.params, signal, () => this.clear()));
      return;
    }
    try {
      this.show(await listTraces(this.n, pickList(this.params), this.offset, PAGE, signal));
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      this.found.replaceChildren(el("p", { class: "banner", role: "alert" }, message));
    }
  }

  leave() {
    this.loading.abort();
  }

  /** @param {Record<string, string | null>} changes empty values leave; the page starts anew */
  change(changes) {
    for (const [name, value] of Object.entries({ offset: null, ...changes })) {
      if (value === null || value === "") this.params.delete(name);
      else this.params.set(name, value);
    }
    keepInAddress(["run", this.n, "traces"], this.params);
    return this.load();
  }

  /** @param {1 | -1} direction @returns {Promise<boolean>} false where there is no such page */
  async turn(direction) {
    const offset = this.offset + direction * PAGE;
    if (!this.page || offset < 0 || offset >= this.page.total) return false;
    await this.change({ offset: offset ? String(offset) : null });
    return true;
  }

  focusSearch() {
    this.form.elements.q?.select();
    this.form.elements.q?.focus();
  }

  focusFilters() {
    this.form.elements.outcome.focus();
  }

  clear() {
    this.form.reset();
    for (const input of this.form.elements) if (input.name) input.value = "";
    void this.change(Object.fromEntries(["q", ...LIST_PARAMS].map((name) => [name, null])));
  }

  /** @param {TraceList} all the whole list's ranges, reasons and modes */
  fillForm({ ranges, reasons, modes }) {
    const outcomes = ["kept", "rewritten", "excluded"];
    this.form.replaceChildren(
      isStatic ? "" : this.input("q", "Search in text", { type: "search", class: "wide" }),
      this.input("id", "id", { type: "search" }),
      this.select("outcome", outcomes),
      reasons.length > 0 ? this.select("reason", reasons) : "",
      modes.length > 1 ? this.select("mode", modes) : "",
      ...RANGES.filter(([name]) => ranges[name]).map((range) => this.range(range, ranges[range[0]])),
    );
  }

  /** @param {string} name @param {string} label @param {Record<string, any>} attributes */
  input(name, label, attributes) {
    const send = settled((/** @type {string} */ value) => void this.change({ [name]: value }), 250);
    const oninput = (/** @type {any} */ event) => send(event.target.value);
    return el(
      "label",
      { class: attributes.class },
      el("span", null, label),
      el("input", { name, value: this.params.get(name) ?? "", autocomplete: "off", oninput, ...attributes }),
    );
  }

  /** @param {string} name @param {string[]} values */
  select(name, values) {
    const onchange = (/** @type {any} */ event) => void this.change({ [name]: event.target.value });
    const chosen = this.params.get(name);
    const options = ["", ...values].map((value) =>
      el("option", { value, selected: value === chosen }, value || "any"),
    );
    const label = name === "mode" ? "stage 1" : name;
    return el("label", null, el("span", null, label), el("select", { name, onchange }, options));
  }

  /** @param {(typeof RANGES)[number]} range @param {[number, number]} bounds */
  range([name, label, factor], bounds) {
    const digits = name === "similarity" ? 2 : 0;
    const said = bounds.map((bound) => (bound * factor).toFixed(digits));
    const inputs = ["min", "max"].map((end, at) => {
      const key = `${end}_${name}`;
      const send = settled((/** @type {string} */ text) => {
        const value = text === "" ? "" : String(Math.max(0, Number(text)) / factor);
        void this.change({ [key]: value });
      }, 250);
      const stored = this.params.get(key);
      return el("input", {
        name: key,
        type: "number",
        step: "any",
        "aria-label": `${label}, ${end}`,
        min: 0,
        placeholder: `e.g. ${((bounds[0] + (bounds[1] - bounds[0]) * (at ? 0.75 : 0.25)) * factor).toFixed(digits)}`,
        title: `from ${said[0]} to ${said[1]}`,
        onchange: (/** @type {any} */ event) => { if (Number(event.target.value) < 0) event.target.value = "0"; },
        value: stored === null ? "" : String(Number((Number(stored) * factor).toFixed(6))),
        oninput: (/** @type {any} */ event) => send(event.target.value),
      });
    });
    return el("fieldset", null, el("legend", null, label), inputs[0], el("span", { "aria-hidden": true }, "–"), inputs[1]);
  }

  /** @param {TraceList} page */
  show(page) {
    this.page = page;
    const { total, offset, rows } = page;
    const last = offset + rows.length;
    const where = total === 0 ? "No row fits." : `${count(offset + 1)}–${count(last)} of ${count(total)} rows`;
    announce(where);
    const pager = el(
      "div",
      { class: "pager" },
      el("p", null, where),
      total > PAGE && [
        this.turner("Previous", -1, offset === 0),
        this.turner("Next", 1, last >= total),
      ],
      Object.keys(pickList(this.params)).length > 0 &&
        el("button", { type: "button", class: "quiet", onclick: () => this.clear() }, "Clear filters and order"),
    );
    if (rows.length === 0) {
      this.found.replaceChildren(pager);
      return;
    }
    const focused = document.activeElement?.closest("th")?.dataset.column;
    this.found.replaceChildren(pager, this.showTable(rows, offset));
    if (focused) this.found.querySelector(`th[data-column=${focused}] button`)?.focus();
  }

  /** @param {string} text @param {1 | -1} direction @param {boolean} is_off */
  turner(text, direction, is_off) {
    return el("button", { type: "button", disabled: is_off, onclick: () => void this.turn(direction) }, text);
  }

  /** @param {TraceRow[]} rows @param {number} offset */
  showTable(rows, offset) {
    const has_similarity = rows.some(({ similarity }) => similarity !== null);
    const has_stage1 = this.page?.modes.some((mode) => STAGE1_MODES.includes(mode)) ?? true;
    const absent = [has_similarity ? "" : "similarity", has_stage1 ? "" : "mode"];
    const columns = COLUMNS.filter(([name]) => !absent.includes(name));
    const list = pickList(this.params);
    return scroller(
      "Traces",
      el(
        "table",
        { class: "rows traces" },
        el("caption", { class: "hidden" }, "Traces of the run"),
        el("thead", null, el("tr", null, columns.map((column) => this.showHead(column)))),
        el(
          "tbody",
          null,
          rows.map((row, at) => showRow(row, href(["run", this.n, "trace", row.row], { ...list, at: offset + at }), absent)),
        ),
      ),
    );
  }

  /** @param {[string, string, boolean]} column */
  showHead([name, heading, is_numeric]) {
    const is_sorted = (this.params.get("sort") ?? "row") === name;
    const is_down = is_sorted && this.params.get("desc") === "1";
    const sort = () => {
      // Numbers are looked at from the largest down.
      const down = is_sorted ? !is_down : is_numeric && name !== "row";
      void this.change(name === "row" && !down ? { sort: null, desc: null } : { sort: name, desc: down ? "1" : null });
    };
    return el(
      "th",
      {
        scope: "col",
        class: is_numeric && "number",
        "data-column": name,
        "aria-sort": is_sorted && (is_down ? "descending" : "ascending"),
      },
      el("button", { type: "button", onclick: sort }, heading, name === "steps_after" || name === "tokens_after" ? hidden(name === "steps_after" ? " (steps)" : " (tokens)") : null),
    );
  }
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
}

/** @param {TraceRow} row @param {string} address @param {string[]} absent columns that are not shown */
function showRow(row, address, absent) {
  const number = (/** @type {import("./dom.js").Child} */ value) => el("td", { class: "number" }, value);
  return el(
    "tr",
    { onclick: (/** @type {MouseEvent} */ event) => followRow(event, address) },
    number(row.row),
    el("th", { scope: "row" }, el("a", { class: "open", href: address }, row.id || "–")),
    el("td", null, showOutcome(row.outcome, row.reason)),
    !absent.includes("mode") && el("td", null, row.mode ?? "–"),
    number(count(row.tokens_before)),
    number(count(row.tokens_after)),
    el(
      "td",
      { class: "number share" },
      row.kept !== null && el("span", { class: "bar", style: { "--share": String(Math.min(1, row.kept)) } }),
      el("span", { class: "amount" }, percent(row.kept)),
    ),
    number(count(row.steps_before)),
    number(count(row.steps_after)),
    !absent.includes("similarity") && number(decimal(row.similarity)),
  );
}

/** @param {string} outcome @param {string | null} reason */
export function showOutcome(outcome, reason) {
  return el("span", { class: `outcome outcome-${outcome}` }, reason ? `${outcome}: ${reason}` : outcome);
}
