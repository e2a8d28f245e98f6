// The bar over a trace: the slider, what the fates look like, and for each run the trace as a strip
// with its numbers.

import { clampBudget } from "asap/budget";
import { announce, el } from "asap/dom";
import { count, percent, several } from "asap/format";
import { nameFate, showFate } from "asap/step";
import { makeStrip } from "asap/strip";

/** @typedef {import("./api.js").Trace} Trace */
/** @typedef {import("./api.js").Fate} Fate */
/** @typedef {import("./budget.js").State} State */
/** @typedef {import("./trace.js").Side} Side */

/** Which way a key moves the slider. @type {Record<string, 1 | -1>} */
const DIRECTIONS = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

export class BudgetBar {
  /**
   * @param {Side[]} sides one, or two side by side; the first one's slider is shown
   * @param {boolean} is_paired whether both have the same steps
   * @param {{setLimit: (limit: number | null) => void, jump: (step: number) => void, nudge: (direction: 1 | -1) => void, toggle: (name: string, is_on: boolean) => void, isOn: (name: string) => boolean}} acts
   */
  constructor(sides, is_paired, acts) {
    this.traces = sides.map(({ trace }) => trace);
    this.trace = this.traces[0];
    this.acts = acts;
    this.strips = sides.map(({ trace }) => makeStrip(trace.steps, acts.jump));
    this.sums = sides.map(() => el("p", { class: "sum" }));
    this.difference = el("p", { class: "note difference" });
    const lines = sides.map(({ run }, at) =>
      el("div", { class: "side-sum" }, sides.length > 1 && el("strong", null, run.name), this.strips[at].node, this.sums[at]),
    );
    this.node = el(
      "section",
      { class: sides.length > 1 ? "budget is-pair" : "budget", "aria-label": "Budget" },
      el(
        "div",
        { class: "controls" },
        this.showSlider(),
        el(
          "div",
          { class: "switches" },
          this.trace.outcome === "kept" && el("p", { class: "legend" }, showLegend(this.traces)),
          this.trace.outcome === "kept" && this.showSwitch("only-kept", "Only kept"),
          is_paired && this.showSwitch("only-differences", "Only differences"),
          this.showSwitch("raw", "Raw text"),
        ),
      ),
      lines,
      this.difference,
    );
  }

  showSlider() {
    const { slider, slider_why } = this.trace;
    if (!slider) return el("p", { class: "note" }, `No slider: ${slider_why}.`);
    const oninput = (/** @type {any} */ event) => {
      if (event.target.value !== "") this.acts.setLimit(clampBudget(slider, Number(event.target.value)));
    };
    // What was typed beyond the ends stands there until it is done with.
    const onchange = () => { this.number.value = this.range.value; };
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.slide(event, slider);
    const bounds_said = `${count(slider.min)} to ${count(slider.max)} tokens`;
    const bounds = { min: slider.min, max: slider.max, step: 1, oninput };
    this.range = el("input", { type: "range", id: "budget", ...bounds, onkeydown });
    this.number = el("input", { type: "number", "aria-label": "Budget, tokens", title: bounds_said, ...bounds, onchange });
    this.reset = el("button", { type: "button", class: "quiet", onclick: () => this.acts.setLimit(null) }, "Reset");
    const label = el("label", { for: "budget" }, "Budget");
    return el("div", { class: "range" }, label, this.range, this.number, el("span", { class: "quiet" }, bounds_said), this.reset);
  }

  /**
   * The arrows go from one step's end to the next, with Shift and Page Up or Down by a twentieth of the range.
   * @param {KeyboardEvent} event
   * @param {import("./api.js").Slider} slider
   */
  slide(event, slider) {
    const direction = DIRECTIONS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!event.shiftKey && event.key.startsWith("Arrow")) {
      this.acts.nudge(direction);
      return;
    }
    const stride = Math.max(1, Math.round((slider.max - slider.min) / 20));
    this.acts.setLimit(clampBudget(slider, Number(this.range.value) + direction * stride));
  }

  /** @param {string} name @param {string} text */
  showSwitch(name, text) {
    const onchange = (/** @type {any} */ event) => this.acts.toggle(name, event.target.checked);
    return el("label", { class: "inline" }, el("input", { type: "checkbox", id: name, checked: this.acts.isOn(name), onchange }), " ", text);
  }

  /**
   * @param {number | null} limit tokens; null for the run's own
   * @param {State[]} states of each side
   * @param {string} difference a sentence on the two, or nothing
   */
  show(limit, states, difference) {
    states.forEach((state, at) => {
      this.strips[at].draw(state.fates);
      this.sums[at].replaceChildren(...showSum(this.traces[at], state));
    });
    this.difference.textContent = difference;
    const { slider, steps } = this.trace;
    if (!slider) return;
    const value = limit ?? slider.limit_now;
    const { tokens } = states[0];
    if (tokens !== null && tokens > value) {
      this.difference.textContent = "The last step costs more than this budget: asap prune would exclude the row, or keep it on request.";
    }
    const said = `${states[0].n_kept} of ${several(steps.length, "step")} kept, ${count(states[0].tokens)} tokens`;
    this.range.value = String(value);
    this.range.setAttribute("aria-valuetext", `${count(value)} tokens: ${said}`);
    if (document.activeElement !== this.number) this.number.value = String(value);
    this.reset.disabled = limit === null;
    announce(said);
  }
}

/** What the fates of these traces look like, and what the bars are. @param {Trace[]} traces */
function showLegend(traces) {
  const kept = traces.filter(({ outcome }) => outcome === "kept");
  /** @param {string[]} words */
  const join = (words) => [...new Set(words)].join(" / ");
  /** @param {Fate} fate */
  const show = (fate) => {
    const having = kept.filter(({ stages }) => fate === "kept" || stages.includes(fate));
    if (having.length === 0) return null;
    const word = join(having.map((trace) => nameFate(trace, fate)));
    return el("span", { class: "fate", "data-fate": fate }, showFate(word));
  };
  const scored = kept.filter(({ steps }) => steps.some(({ score, surprisal }) => score !== null || surprisal !== null));
  const label = join(scored.map(({ score_label }) => score_label));
  const bar = label && el("span", { class: "score" }, el("span", { class: "bar", style: { "--share": "0.6" } }), label);
  return [show("kept"), show("stage1"), show("stage2"), bar];
}

/** @param {Trace} trace @param {State} state */
function showSum(trace, { n_kept, tokens }) {
  const { tokens_before, tokens_after_stage1, stages, steps } = trace;
  const share = tokens !== null && tokens_before ? ` (${percent(tokens / tokens_before)})` : null;
  /** @type {[string, import("./dom.js").Child][]} */
  const parts = [["tokens before", count(tokens_before)]];
  if (stages.length > 1) parts.push(["after stage 1", count(tokens_after_stage1)]);
  if (tokens !== null) parts.push(["kept", [el("strong", { class: "kept-tokens" }, count(tokens)), share]]);
  if (trace.outcome === "kept") parts.push(["steps", [el("strong", { class: "kept-steps" }, count(n_kept)), ` of ${count(steps.length)}`]]);
  return parts.map(([word, value]) => el("span", null, el("span", { class: "quiet" }, word), " ", value));
}
