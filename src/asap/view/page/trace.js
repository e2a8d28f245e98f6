// One trace: what became of each step and why, what another budget would keep, the same row of
// another run beside it. What it looks like is the bar's and the body's business.

import { get, getAgain, getRuns, isOffered, isStatic } from "asap/api";
import { BudgetBar } from "asap/bar";
import { TraceBody } from "asap/body";
import { clampBudget, findNextBudget, stateAt } from "asap/budget";
import { announce, el } from "asap/dom";
import { showExclusion } from "asap/exclusion";
import { goToText, markText, unmarkText } from "asap/find";
import { count } from "asap/format";
import { findNeighbours, pickList } from "asap/listing";
import { go, href, keepInAddress } from "asap/routes";
import { openSearch } from "asap/search";
import { showOutcome } from "asap/traces";

/** @typedef {import("./api.js").Trace} Trace */
/** @typedef {import("./api.js").Run} Run */
/** @typedef {{run: Run, trace: Trace}} Side */

/** @param {number} n @param {number} row */
function pathOf(n, row) {
  return `/api/runs/${n}/traces/${row}`;
}

/** @param {import("./routes.js").Route} route */
export async function traceView({ parts, params }) {
  const n = Number(parts[1]);
  const row = Number(parts[3]);
  const others = params.has("with") ? [Number(params.get("with"))] : [];
  const shown = [n, ...others];
  const [{ runs }, ...traces] = await Promise.all([getRuns(), ...shown.map((each) => getAgain(pathOf(each, row)))]);
  const sides = traces.map((trace, at) => ({ run: runs[shown[at]], trace }));
  return new TracePage(runs, row, params, sides).view();
}

/** What of a hit goes into an address. @param {import("./search.js").Hit | null} hit */
function pickHit(hit) {
  return hit && { row: hit.row, where: hit.where };
}

class TracePage {
  /**
   * @param {Run[]} runs
   * @param {number} row
   * @param {URLSearchParams} params
   * @param {Side[]} sides one, or two side by side
   */
  constructor(runs, row, params, sides) {
    this.runs = runs;
    this.n = sides[0].run.n;
    this.row = row;
    this.params = new URLSearchParams(params);
    this.sides = sides;
    this.trace = sides[0].trace;
    const budget = Number(params.get("budget"));
    /** @type {number | null} tokens; null for what the run decided */
    this.limit = params.has("budget") && Number.isFinite(budget) ? clampBudget(this.trace.slider, budget) : null;
    this.body = this.makeBody();
    this.bar = new BudgetBar(sides, this.body.is_paired, {
      setLimit: (limit) => this.setLimit(limit),
      jump: (step) => this.body.focusStep(step),
      nudge: (direction) => this.nudge(direction),
      toggle: (name, is_on) => this.toggle(name, is_on),
      isOn: (name) => this.params.has(name),
    });
    for (const name of ["only-kept", "only-differences"]) {
      // Not where there is no switch to take it back.
      this.body.list.classList.toggle(name, this.params.has(name) && Boolean(this.bar.node.querySelector(`#${name}`)));
    }
    /** @type {{before: Record<string, any> | null, after: Record<string, any> | null} | null} parameters of the two */
    this.neighbours = null;
    /** @type {Promise<void> | undefined} */
    this.finding = undefined;
    this.has_left = false;
    this.turns = el("span", { class: "turns" });
  }

  makeBody() {
    const body = new TraceBody(this.sides, () => void this.showAll(), this.params.has("raw"));
    body.node.addEventListener("focusin", (/** @type {FocusEvent} */ event) => this.keepStep(event));
    return body;
  }

  view() {
    this.decide();
    const title = this.trace.id || `Row ${this.row}`;
    return {
      title,
      run: this.n,
      is_plain: true,
      node: [this.showHead(title), this.bar.node, this.body.node],
      shown: () => void this.afterwards(),
      leave: () => {
        this.has_left = true;
        unmarkText();
      },
      keys: [
        { keys: ["j", "ArrowDown"], says: "next step", act: () => this.body.walk(1) },
        { keys: ["k", "ArrowUp"], says: "previous step", act: () => this.body.walk(-1) },
        { keys: ["n"], says: `next ${this.isHit ? "hit" : "trace of the list"}`, act: () => void this.turn("after") },
        { keys: ["p"], says: `previous ${this.isHit ? "hit" : "trace of the list"}`, act: () => void this.turn("before") },
        { keys: ["["], says: "smaller budget: one step fewer", act: () => this.nudge(-1) },
        { keys: ["]"], says: "larger budget: one step more", act: () => this.nudge(1) },
        { keys: ["0"], says: "the run's own budget", act: () => this.setLimit(null) },
        { keys: ["o"], says: "only the kept steps, or all", act: () => document.getElementById("only-kept")?.click() },
        { keys: ["r"], says: "raw text, or as it reads best", act: () => document.getElementById("raw")?.click() },
        ...(isStatic ? [] : [{ keys: ["/"], says: "to the list and its search", act: () => go(this.listAddress()) }]),
        { keys: ["Escape"], says: "back to the list", act: () => go(this.listAddress()) },
      ],
    };
  }

  /** Whether this trace was come to by a search, whose hits are walked then. */
  get isHit() {
    return this.params.has("find") && !isStatic;
  }

  /** What the trace need not wait for. */
  async afterwards() {
    const text = this.params.get("find");
    const step = this.params.get("step");
    if (step && this.trace.steps[Number(step)]) this.body.focusStep(Number(step));
    if (text) {
      if (!step) this.goToFound(text);
      markText(text, document.querySelectorAll(".trace .text"));
    }
    this.finding = (this.isHit ? this.findHits() : this.findRows()).catch(() => undefined);
    await this.finding;
    const after = this.neighbours?.after;
    if (after && !isStatic && !this.has_left) void getAgain(pathOf(this.n, after.row)).catch(() => null);
  }

  /** To the first place of what was searched for. @param {string} text */
  goToFound(text) {
    const where = this.params.get("where") ?? "thinking";
    if (where === "thinking" && this.body.findStep(text)) return;
    goToText(text, document.querySelector(`.panel.${CSS.escape(where)}`));
  }

  /** The neighbours in the list. */
  async findRows() {
    const found = await findNeighbours(this.n, this.params, this.row);
    if (found) this.showTurns(found, `${count(found.position + 1)} of ${count(found.total)}`);
  }

  /** The neighbours among the hits: it is searched until the next one is known. */
  async findHits() {
    const search = openSearch(this.n, this.params.get("find") ?? "", this.params);
    for (;;) {
      const found = search.findNeighbours(this.row, this.params.get("where"));
      if (found) {
        const { position, before, after } = found;
        const place = `hit ${count(position + 1)} of ${count(search.hits.length)}${search.isDone ? "" : " so far"}`;
        this.showTurns({ before: pickHit(before), after: pickHit(after) }, place);
      }
      if (this.has_left || search.isDone || found?.after) return;
      await search.ask();
    }
  }

  /** @param {NonNullable<TracePage["neighbours"]>} neighbours @param {string} place */
  showTurns(neighbours, place) {
    this.neighbours = { before: neighbours.before, after: neighbours.after };
    this.turns.replaceChildren(
      this.showTurn("before", "Previous", "p"),
      el("span", { class: "quiet number" }, place),
      this.showTurn("after", "Next", "n"),
    );
  }

  // The head: which row, its neighbours, the other run.

  /** @param {string} title */
  showHead(title) {
    const { row, outcome, reason } = this.trace;
    const list = el("a", { class: "button", href: this.listAddress() }, "List");
    return el(
      "div",
      { class: "trace-top" },
      el(
        "div",
        { class: "title" },
        el("h1", { tabindex: -1 }, title),
        el("span", { class: "quiet" }, `row ${row}`),
        showOutcome(outcome, reason),
      ),
      el("div", { class: "actions" }, this.showBeside(), this.turns, list),
      showExclusion(this.trace),
    );
  }

  listAddress() {
    const q = this.params.get("find");
    if (q) return href(["run", this.n, "traces"], { ...pickList(this.params), q });
    const offset = Math.floor(Number(this.params.get("at") ?? 0) / 100) * 100;
    return href(["run", this.n, "traces"], { ...pickList(this.params), offset: offset || null });
  }

  /** @param {"before" | "after"} which @param {string} text @param {string} key */
  showTurn(which, text, key) {
    const address = this.turnAddress(which);
    const none = address ? {} : { role: "link", "aria-disabled": "true" };
    return el("a", { class: "button", href: address, "aria-keyshortcuts": key, ...none }, text);
  }

  /** @param {"before" | "after"} which */
  turnAddress(which) {
    const neighbour = this.neighbours?.[which];
    if (!neighbour) return null;
    const { row, ...place } = neighbour;
    // A step is this trace's own and does not go along.
    const { step, ...rest } = Object.fromEntries(this.params);
    return href(["run", this.n, "trace", row], { ...rest, ...place });
  }

  /** @param {"before" | "after"} which */
  async turn(which) {
    await this.finding;
    const address = this.turnAddress(which);
    if (address) go(address);
    else announce(this.isHit ? "No further hit" : "No further trace");
  }

  showBeside() {
    const others = this.runs.filter(
      ({ n, kind, is_comparable }) => n !== this.n && kind === "prune" && is_comparable && isOffered(pathOf(n, this.row)),
    );
    if (others.length === 0) return null;
    const chosen = this.params.get("with");
    const onchange = (/** @type {any} */ event) => {
      const params = { ...Object.fromEntries(this.params), with: event.target.value };
      go(href(["run", this.n, "trace", this.row], params));
    };
    const options = others.map(({ n, name }) => el("option", { value: n, selected: String(n) === chosen }, name));
    const select = el("select", { name: "with", onchange }, el("option", { value: "" }, "nothing"), options);
    return el("label", { class: "inline" }, "Beside it ", select);
  }

  // The switches over the steps and the budget, both kept in the address.

  /** Writes the state into the address, and into those of the neighbours. */
  keep() {
    keepInAddress(["run", this.n, "trace", this.row], this.params);
    for (const [at, which] of /** @type {const} */ ([[0, "before"], [2, "after"]])) {
      const address = this.turnAddress(which);
      if (address) this.turns.children[at]?.setAttribute("href", address);
    }
  }

  /** To the budget at which the next step goes, or comes back. @param {1 | -1} direction */
  nudge(direction) {
    const { slider } = this.trace;
    if (!slider) return;
    const limit = findNextBudget(slider, this.limit ?? slider.limit_now, direction);
    if (limit !== null) this.setLimit(limit);
  }

  /** @param {number | null} limit tokens; null for the run's own */
  setLimit(limit) {
    if (!this.trace.slider) return;
    this.limit = limit;
    if (limit === null) this.params.delete("budget");
    else this.params.set("budget", String(limit));
    this.keep();
    this.decide();
  }

  /** A switch: only steps of a kind, or texts as they stand. @param {string} name @param {boolean} is_on */
  toggle(name, is_on) {
    if (is_on) this.params.set(name, "1");
    else this.params.delete(name);
    this.keep();
    if (name === "raw") this.redraw();
    else this.body.list.classList.toggle(name, is_on);
  }

  /** The step that was gone to is part of the address. @param {FocusEvent} event */
  keepStep(event) {
    const target = /** @type {Element} */ (event.target);
    const step = target.closest(".step")?.getAttribute("data-step");
    if (!step) return;
    this.params.set("step", step);
    this.keep();
  }

  /** Shows what the present budget keeps. */
  decide() {
    const states = this.sides.map(({ trace }) => stateAt(trace, this.limit));
    states.forEach(({ fates }, at) => this.body.setFates(at, fates));
    this.bar.show(this.limit, states, this.body.compare());
  }

  /** Asks for the texts uncut and draws them all again. */
  async showAll() {
    const full = await Promise.all(this.sides.map(({ run }) => get(`${pathOf(run.n, this.row)}?full=1`)));
    this.sides = this.sides.map(({ run }, at) => ({ run, trace: full[at] }));
    this.redraw();
  }

  redraw() {
    const before = this.body;
    this.body = this.makeBody();
    this.body.list.className = before.list.className;
    before.node.replaceWith(this.body.node);
    this.body.finish();
    this.decide();
    const text = this.params.get("find");
    if (text) markText(text, document.querySelectorAll(".trace .text"));
  }
}
