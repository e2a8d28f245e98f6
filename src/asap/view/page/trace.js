// One trace: question, steps, answer; what became of each step and why; what another budget would
// keep; the same row of another run beside it.

import { get, getAgain, getRuns, isOffered, isStatic } from "asap/api";
import { findNextBudget, stateAt } from "asap/budget";
import { announce, el, hidden } from "asap/dom";
import { markText, unmarkText } from "asap/find";
import { count, decimal, percent, several } from "asap/format";
import { findNeighbours, pickList } from "asap/listing";
import { showText } from "asap/pieces";
import { go, href, keepInAddress } from "asap/routes";
import { FATES, setFate, showFate, showStep } from "asap/step";
import { makeStrip } from "asap/strip";
import { showOutcome } from "asap/traces";

/** @typedef {import("./api.js").Trace} Trace */
/** @typedef {import("./api.js").Run} Run */
/** @typedef {import("./api.js").Fate} Fate */
/** @typedef {{run: Run, trace: Trace, fates: (Fate | null)[], blocks: HTMLElement[], sum: HTMLElement}} Side */

/** @param {number} n @param {number} row */
function pathOf(n, row) {
  return `/api/runs/${n}/traces/${row}`;
}

/** @param {import("./routes.js").Route} route */
export async function traceView({ parts, params }) {
  const n = Number(parts[1]);
  const row = Number(parts[3]);
  const other = params.get("with");
  const [{ runs }, trace, beside, neighbours] = await Promise.all([
    getRuns(),
    getAgain(pathOf(n, row)),
    other === null ? null : getAgain(pathOf(Number(other), row)),
    findNeighbours(n, params, row).catch(() => null),
  ]);
  const sides = [makeSide(runs[n], trace)];
  if (beside) sides.push(makeSide(runs[Number(other)], beside));
  return new TracePage(runs, n, row, params, sides, neighbours).view();
}

/** @param {Run} run @param {Trace} trace @returns {Side} */
function makeSide(run, trace) {
  return { run, trace, fates: [], blocks: [], sum: el("p", { class: "sum" }) };
}

class TracePage {
  /**
   * @param {Run[]} runs
   * @param {number} n
   * @param {number} row
   * @param {URLSearchParams} params
   * @param {Side[]} sides one, or two side by side
   * @param {Awaited<ReturnType<typeof findNeighbours>>} neighbours
   */
  constructor(runs, n, row, params, sides, neighbours) {
    Object.assign(this, { runs, n, row, params, sides, neighbours });
    this.runs = runs;
    this.n = n;
    this.row = row;
    this.params = new URLSearchParams(params);
    this.sides = sides;
    this.neighbours = neighbours;
    const budget = Number(params.get("budget"));
    /** @type {number | null} tokens; null for what the run decided */
    this.limit = params.has("budget") && Number.isFinite(budget) ? budget : null;
    const { steps } = sides[0].trace;
    this.strips = sides.map(({ trace }) => makeStrip(trace.steps, (index) => this.focusStep(index)));
    this.is_paired = sides.length === 2 && areSameSteps(steps, sides[1].trace.steps);
    this.list = el("div", { class: "steps" });
  }

  view() {
    const { trace } = this.sides[0];
    const title = trace.id || `Row ${this.row}`;
    const node = [this.showTop(title), this.showSlider(), this.showBody()];
    this.decide();
    return {
      title,
      run: this.n,
      is_plain: true,
      node,
      shown: () => {
        this.showFound();
        this.fetchAhead();
      },
      leave: unmarkText,
      keys: [
        { keys: ["j", "ArrowDown"], says: "next step", act: () => this.walk(1) },
        { keys: ["k", "ArrowUp"], says: "previous step", act: () => this.walk(-1) },
        { keys: ["n"], says: "next trace of the list", act: () => this.turn("after") },
        { keys: ["p"], says: "previous trace of the list", act: () => this.turn("before") },
        { keys: ["["], says: "smaller budget: one step fewer", act: () => this.nudge(-1) },
        { keys: ["]"], says: "larger budget: one step more", act: () => this.nudge(1) },
        { keys: ["0"], says: "the run's own budget", act: () => this.setLimit(null) },
        { keys: ["o"], says: "only the kept steps, or all", act: () => this.switchView("only-kept") },
        ...(isStatic ? [] : [{ keys: ["/"], says: "search in text", act: () => go(href(["run", this.n, "traces"])) }]),
        { keys: ["Escape"], says: "back to the list", act: () => go(this.listAddress()) },
      ],
    };
  }

  /** @param {Record<string, any>} changes */
  address(changes) {
    return href(["run", this.n, "trace", this.row], { ...Object.fromEntries(this.params), ...changes });
  }

  listAddress() {
    const at = Number(this.params.get("at") ?? 0);
    const offset = Math.floor(at / 100) * 100;
    const q = this.params.get("find");
    return href(["run", this.n, "traces"], q ? { q } : { ...pickList(this.params), offset: offset || null });
  }

  // The head: which row, its numbers, its neighbours, the other run.

  /** @param {string} title */
  showTop(title) {
    const { trace } = this.sides[0];
    return el(
      "div",
      { class: "trace-top" },
      el(
        "div",
        { class: "title" },
        el("h1", { tabindex: -1 }, title),
        el("span", { class: "quiet" }, `row ${trace.row}`),
        showOutcome(trace.outcome, trace.reason),
      ),
      el(
        "div",
        { class: "actions" },
        this.showBeside(),
        this.showTurn("before", "Previous", "p"),
        this.neighbours && el("span", { class: "quiet number" }, `${count(this.neighbours.position + 1)} of ${count(this.neighbours.total)}`),
        this.showTurn("after", "Next", "n"),
        el("a", { class: "button", href: this.listAddress() }, "List"),
      ),
      trace.detail && el("p", { class: "banner" }, trace.detail),
    );
  }

  /** @param {"before" | "after"} which @param {string} text @param {string} key */
  showTurn(which, text, key) {
    if (!this.neighbours) return null;
    const address = this.turnAddress(which);
    return el("a", { class: "button", href: address, "aria-disabled": !address && "true", role: !address && "link", "aria-keyshortcuts": key }, text);
  }

  /** @param {"before" | "after"} which */
  turnAddress(which) {
    const neighbour = this.neighbours?.[which];
    if (!neighbour) return null;
    // A budget in tokens is this trace's own and does not go along.
    const { budget, ...rest } = Object.fromEntries(this.params);
    return href(["run", this.n, "trace", neighbour.row], { ...rest, at: neighbour.at });
  }

  /** @param {"before" | "after"} which */
  turn(which) {
    const address = this.turnAddress(which);
    if (address) go(address);
    else announce("No further trace");
  }

  fetchAhead() {
    const after = this.neighbours?.after;
    if (after && !isStatic) void getAgain(pathOf(this.n, after.row)).catch(() => null);
  }

  /** Marks what was searched for, and goes to the first step that has it. */
  showFound() {
    const text = this.params.get("find");
    if (!text) return;
    const texts = [...document.querySelectorAll(".trace .text")];
    markText(text, texts);
    const { blocks } = this.sides[0];
    const step = blocks.findIndex((block) => block.textContent?.toLowerCase().includes(text.toLowerCase()));
    if (step >= 0) this.focusStep(step);
  }

  showBeside() {
    const others = this.runs.filter(
      ({ n, kind, is_comparable }) => n !== this.n && kind === "prune" && is_comparable && isOffered(pathOf(n, this.row)),
    );
    if (others.length === 0) return null;
    const chosen = this.params.get("with");
    const onchange = (/** @type {any} */ event) => go(this.address({ with: event.target.value }));
    const options = [el("option", { value: "" }, "nothing")];
    for (const { n, name } of others) options.push(el("option", { value: n, selected: String(n) === chosen }, name));
    return el("label", { class: "inline" }, "Beside it ", el("select", { name: "with", onchange }, options));
  }

  // The slider: what another budget would keep.

  showSlider() {
    const { slider, slider_why } = this.sides[0].trace;
    const legend = el("p", { class: "legend" }, Object.keys(FATES).map((fate) => el("span", { class: "fate", "data-fate": fate }, showFate(/** @type {Fate} */ (fate)))));
    const switches = [
      this.showSwitch("only-kept", "Only kept"),
      this.is_paired && this.showSwitch("only-differences", "Only differences"),
    ];
    return el(
      "section",
      { class: this.sides.length > 1 ? "budget is-pair" : "budget", "aria-label": "Budget" },
      el(
        "div",
        { class: "controls" },
        slider ? this.showRange(slider) : el("p", { class: "note" }, `No slider: ${slider_why}.`),
        el("div", { class: "switches" }, legend, switches),
      ),
      this.sides.map((side, at) => el("div", { class: "side-sum" }, this.sides.length > 1 && el("strong", null, side.run.name), this.strips[at].node, side.sum)),
      (this.difference = el("p", { class: "note difference" })),
    );
  }

  /** @param {import("./api.js").Slider} slider */
  showRange(slider) {
    const oninput = (/** @type {any} */ event) => {
      if (event.target.value !== "") this.setLimit(Number(event.target.value));
    };
    const bounds = { min: slider.min, max: slider.max, step: 1, oninput };
    this.range = el("input", { type: "range", id: "budget", ...bounds });
    this.number = el("input", { type: "number", "aria-label": "Budget, tokens", ...bounds });
    this.reset = el("button", { type: "button", class: "quiet", onclick: () => this.setLimit(null) }, "Reset");
    return el("div", { class: "range" }, el("label", { for: "budget" }, "Budget"), this.range, this.number, el("span", null, "tokens"), this.reset);
  }

  /** @param {"only-kept" | "only-differences"} name @param {string} text */
  showSwitch(name, text) {
    const box = el("input", { type: "checkbox", id: name, onchange: () => this.list.classList.toggle(name, box.checked) });
    return el("label", { class: "inline" }, box, " ", text);
  }

  /** @param {string} name */
  switchView(name) {
    document.getElementById(name)?.click();
  }

  /** @param {1 | -1} direction */
  nudge(direction) {
    const { slider } = this.sides[0].trace;
    if (!slider) return;
    const limit = findNextBudget(slider, this.limit ?? slider.limit_now, direction);
    if (limit !== null) this.setLimit(limit);
  }

  /** @param {number | null} limit tokens; null for the run's own */
  setLimit(limit) {
    const { slider } = this.sides[0].trace;
    if (!slider) return;
    this.limit = limit;
    if (limit === null) this.params.delete("budget");
    else this.params.set("budget", String(limit));
    keepInAddress(["run", this.n, "trace", this.row], this.params);
    this.decide();
  }

  /** Shows what the present budget keeps: only what changes is touched. */
  decide() {
    const said = this.sides.map((side, at) => {
      const { trace, blocks } = side;
      const state = stateAt(trace, this.limit);
      blocks.forEach((block, index) => {
        if (state.fates[index] !== side.fates[index]) setFate(block, state.fates[index]);
      });
      side.fates = state.fates;
      this.strips[at].draw(state.fates);
      const sum = summarize(trace, state);
      side.sum.replaceChildren(...sum.map(([word, value]) => el("span", null, el("span", { class: "quiet" }, word), " ", value)));
      return `${state.n_kept} of ${several(trace.steps.length, "step")} kept, ${count(state.tokens)} tokens`;
    });
    this.tellSlider(said[0]);
    if (this.is_paired) this.compare();
  }

  /** @param {string} said */
  tellSlider(said) {
    const { slider } = this.sides[0].trace;
    if (!slider) return;
    const value = this.limit ?? slider.limit_now;
    this.range.value = String(value);
    this.range.setAttribute("aria-valuetext", `${count(value)} tokens: ${said}`);
    if (document.activeElement !== this.number) this.number.value = String(value);
    this.reset.disabled = this.limit === null;
    announce(said);
  }

  compare() {
    const [left, right] = this.sides;
    const n = { both: 0, left: 0, right: 0 };
    left.fates.forEach((fate, index) => {
      const [is_left, is_right] = [fate === "kept", right.fates[index] === "kept"];
      if (is_left && is_right) n.both += 1;
      else if (is_left) n.left += 1;
      else if (is_right) n.right += 1;
      left.blocks[index].parentElement?.classList.toggle("is-different", is_left !== is_right);
    });
    this.difference.textContent = `Both keep ${several(n.both, "step")}; only ${left.run.name} ${n.left}, only ${right.run.name} ${n.right}.`;
  }

  // The body.

  showBody() {
    const { trace } = this.sides[0];
    for (const side of this.sides) this.fillBlocks(side);
    const steps = el(
      "section",
      { class: "steps-part", "aria-label": "Steps" },
      this.sides.map((side) => this.showRewritten(side)),
      this.sides.length === 2 &&
        el("div", { class: "pair" }, this.sides.map((side) => el("div", null, el("h2", null, side.run.name), this.showStage1(side)))),
      this.list,
    );
    if (this.is_paired) this.list.append(...this.showPairs());
    else if (this.sides.length === 2) {
      this.list.classList.add("pair");
      this.list.append(...this.sides.map(({ blocks }) => el("div", null, blocks)));
    } else this.list.append(...this.sides[0].blocks);
    return el(
      "div",
      { class: this.sides.length === 2 ? "trace is-pair" : "trace" },
      el("div", { class: "aside" },
        this.showPanel("question", "Question", trace.question),
        el("div", { class: "panel-answer" }, this.showPanel("answer", "Answer", trace.answer), this.sides.length === 1 && this.showStage1(this.sides[0])),
      ),
      steps,
    );
  }

  showPairs() {
    const [left, right] = this.sides;
    return left.blocks.map((block, index) => el("div", { class: "pair" }, block, right.blocks[index]));
  }

  /** @param {Side} side */
  fillBlocks(side) {
    const { trace } = side;
    const is_own = trace.steps.some(({ score }) => score !== null);
    const values = trace.steps.map((step) => (is_own ? step.score : step.surprisal) ?? 0);
    const scale = { label: trace.score_label, most: Math.max(...values, 1e-9), is_own, showAll: isStatic ? null : () => void this.showAll() };
    side.blocks = trace.steps.map((step) => showStep(step, scale));
  }

  /** Asks for the texts uncut and draws them all again. */
  async showAll() {
    const full = await Promise.all(this.sides.map(({ run }) => get(`${pathOf(run.n, this.row)}?full=1`)));
    const page = new TracePage(this.runs, this.n, this.row, this.params, full.map((trace, at) => makeSide(this.sides[at].run, trace)), this.neighbours);
    const node = page.showBody();
    document.querySelector(".trace")?.replaceWith(node);
    Object.assign(this, { sides: page.sides.map((side, at) => ({ ...side, sum: this.sides[at].sum })), list: page.list });
    this.decide();
  }

  /** @param {string} name @param {string} title @param {import("./api.js").Text | null} text */
  showPanel(name, title, text) {
    if (!text) return null;
    // Of two runs the steps come first.
    const is_open = this.sides.length === 1 || name === "rewritten" || name === "thinking";
    const showAll = isStatic ? null : () => void this.showAll();
    const is_empty = text.pieces.length === 0;
    return el(
      "details",
      { class: `panel ${name}`, open: is_open },
      el("summary", null, title),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, is_empty ? el("p", { class: "note" }, "None.") : showText(text, showAll)),
    );
  }

  /** @param {Side} side */
  showStage1({ trace }) {
    const { stage1, anchor, reply } = trace;
    const matches = trace.steps.map(({ match }) => match).filter((match) => match !== null);
    if (!stage1 && !anchor && !reply) return null;
    const mean = matches.reduce((sum, match) => sum + match, 0) / matches.length;
    const facts = [
      ["stage 1", stage1?.mode],
      ["attempts", stage1?.attempts ? count(stage1.attempts) : null],
      ["prompt", stage1?.prompt_version],
      ["gave up", stage1?.failure],
      ["matches", matches.length ? `${count(matches.length)}, mean ${decimal(mean)}, lowest ${decimal(Math.min(...matches))}` : null],
    ].filter(([, value]) => value);
    return el(
      "div",
      { class: "stage1" },
      el("dl", { class: "facts-list" }, facts.map(([word, value]) => el("div", null, el("dt", null, word), el("dd", null, value)))),
      this.showPanel("anchor", "Anchor", anchor),
      this.showPanel("reply", "Reply", reply),
    );
  }

  /** @param {Side} side */
  showRewritten({ run, trace }) {
    const whose = this.sides.length === 2 ? ` by ${run.name}` : "";
    if (!trace.rewritten && !trace.thinking && !trace.is_reply_subject) return null;
    return [
      this.showPanel("rewritten", `Rewritten${whose}`, trace.rewritten),
      this.showPanel("thinking", `Thinking${whose}`, trace.thinking),
      trace.is_reply_subject && el("p", { class: "note" }, `The steps${whose} are those of stage 1's reply, whose wording is kept.`),
    ];
  }

  // Walking through the steps.

  /** @param {1 | -1} direction */
  walk(direction) {
    const { blocks } = this.sides[0];
    const is_shown = (/** @type {HTMLElement} */ block) => block.checkVisibility();
    const at = blocks.findIndex((block) => block.contains(document.activeElement));
    let next = at < 0 ? (direction > 0 ? 0 : blocks.length - 1) : at + direction;
    while (blocks[next] && !is_shown(blocks[next])) next += direction;
    if (blocks[next]) this.focusStep(next);
  }

  /** @param {number} index */
  focusStep(index) {
    const block = this.sides[0].blocks[index];
    block.focus({ preventScroll: true });
    block.scrollIntoView({ block: "nearest" });
  }
}

/** @param {Trace} trace @param {import("./budget.js").State} state @returns {[string, import("./dom.js").Child][]} */
function summarize(trace, { n_kept, tokens }) {
  const { tokens_before, tokens_after_stage1, steps } = trace;
  const has_fates = trace.outcome === "kept";
  const share = tokens !== null && tokens_before ? percent(tokens / tokens_before) : null;
  /** @type {[string, import("./dom.js").Child][]} */
  const parts = [["tokens before", count(tokens_before)]];
  if (tokens_after_stage1 !== null) parts.push(["after stage 1", count(tokens_after_stage1)]);
  if (tokens !== null) parts.push(["kept", [el("strong", { class: "kept-tokens" }, count(tokens)), share && ` (${share})`]]);
  if (has_fates) parts.push(["steps", [el("strong", { class: "kept-steps" }, count(n_kept)), ` of ${count(steps.length)}`]]);
  return parts;
}

/** @param {import("./api.js").Step[]} left @param {import("./api.js").Step[]} right */
function areSameSteps(left, right) {
  return left.length === right.length && left.every((step, index) => step.n_chars === right[index].n_chars);
}
