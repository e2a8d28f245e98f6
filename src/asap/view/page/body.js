// The body of a trace: question, steps, answer, what stage 1 had; of two runs the steps beside each
// other.

import { isStatic } from "asap/api";
import { el } from "asap/dom";
import { hasText } from "asap/find";
import { count, decimal, several } from "asap/format";
import { showText } from "asap/pieces";
import { setFate, showStep } from "asap/step";

/** @typedef {import("./api.js").Fate} Fate */
/** @typedef {import("./trace.js").Side} Side */

const AT_ONCE = 60;

export class TraceBody {
  /**
   * @param {Side[]} sides one, or two side by side
   * @param {() => void} showAll asks for the texts that were cut
   * @param {boolean} is_raw whether texts are shown as they stand
   */
  constructor(sides, showAll, is_raw) {
    this.sides = sides;
    this.is_raw = is_raw;
    this.showAll = isStatic ? null : showAll;
    this.is_pair = sides.length === 2;
    const [left, right] = sides.map(({ trace }) => trace.steps);
    this.is_paired = this.is_pair && areSameSteps(left, right);
    this.blocks = sides.map((side) => this.makeBlocks(side));
    /** @type {(Fate | null)[][]} */
    this.fates = sides.map(() => []);
    this.list = el("div", { class: this.is_pair && !this.is_paired ? "steps pair" : "steps" });
    this.node = this.show();
    const [first] = this.blocks;
    if (this.is_paired) this.lines = first.map((block, index) => el("div", { class: "pair" }, block, this.blocks[1][index]));
    else this.lines = this.is_pair ? this.blocks.map((blocks) => el("div", null, blocks)) : first;
    this.list.append(...this.lines.slice(0, AT_ONCE));
    // A long trace shows its beginning first.
    requestAnimationFrame(() => setTimeout(() => this.finish()));
  }

  /** Puts the rest of the steps on the page, where that is still to be done. */
  finish() {
    if (this.list.children.length < this.lines.length) this.list.append(...this.lines.slice(this.list.children.length));
  }

  /** @param {Side} side */
  makeBlocks({ trace }) {
    const is_own = trace.steps.some(({ score }) => score !== null);
    const values = trace.steps.map((step) => (is_own ? step.score : step.surprisal) ?? 0);
    const scale = {
      label: trace.score_label,
      least: Math.min(0, values.reduce((a, b) => Math.min(a, b), 0)),
      most: values.reduce((a, b) => Math.max(a, b), 1e-9),
      digits: values.every(Number.isInteger) ? 0 : 2,
      is_own,
      is_raw: this.is_raw,
      showAll: this.showAll,
    };
    return trace.steps.map((step) => showStep(step, scale));
  }

  show() {
    const { trace } = this.sides[0];
    const heads = this.sides.map((side) => el("div", null, el("h2", null, side.run.name), this.showStage1(side)));
    return el(
      "div",
      { class: this.is_pair ? "trace is-pair" : "trace" },
      el(
        "div",
        { class: "aside" },
        this.showPanel("question", "Question", trace.question),
        el("div", { class: "panel-answer" }, this.showPanel("answer", "Answer", trace.answer), !this.is_pair && this.showStage1(this.sides[0])),
      ),
      el(
        "section",
        { class: "steps-part", "aria-label": "Steps" },
        this.sides.map((side) => this.showTexts(side)),
        this.is_pair && el("div", { class: "pair" }, heads),
        this.list,
      ),
    );
  }

  /** @param {string} name @param {string} title @param {import("./api.js").Text | null} text */
  showPanel(name, title, text) {
    if (!text) return null;
    // Of two runs the steps come first.
    const open = !this.is_pair || name === "rewritten" || name === "thinking";
    const shown = text.pieces.length ? showText(text, this.showAll, this.is_raw) : el("p", { class: "note" }, "None.");
    return el(
      "details",
      { class: `panel ${name}`, open },
      el("summary", null, title),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, shown),
    );
  }

  /** What stands instead of steps, or beside them. @param {Side} side */
  showTexts({ run, trace }) {
    const whose = this.is_pair ? ` by ${run.name}` : "";
    return [
      this.showPanel("rewritten", `Rewritten${whose}`, trace.rewritten),
      this.showPanel("thinking", "Thinking", trace.thinking),
      trace.is_reply_subject && el("p", { class: "note" }, `The steps${whose} are those of stage 1's reply, whose wording is kept.`),
    ];
  }

  /** @param {Side} side */
  showStage1({ trace }) {
    const { stages, stage1, anchor, reply } = trace;
    if ((!stage1 || stage1.mode === "none") && !anchor && !reply) return null;
    const matches = trace.steps.map(({ match }) => match).filter((match) => match !== null);
    const mean = matches.reduce((sum, match) => sum + match, 0) / matches.length;
    const lowest = matches.reduce((a, b) => Math.min(a, b), 1);
    const facts = [
      [stages.length > 1 ? "stage 1" : "pruned by", stage1?.mode],
      ["attempts", stage1?.attempts ? count(stage1.attempts) : null],
      ["prompt", stage1?.prompt_version],
      ["gave up", stage1?.failure],
      ["matches", matches.length ? `${count(matches.length)}, mean ${decimal(mean)}, lowest ${decimal(lowest)}` : null],
    ].filter(([, value]) => value);
    return el(
      "div",
      { class: "stage1" },
      el("dl", { class: "facts-list" }, facts.map(([word, value]) => el("div", null, el("dt", null, word), el("dd", null, value)))),
      this.showPanel("anchor", "Anchor", anchor),
      this.showPanel("reply", "Reply", reply),
    );
  }

  /** Writes fates into the blocks of a side: only what changes is touched. @param {number} at @param {(Fate | null)[]} fates */
  setFates(at, fates) {
    this.blocks[at].forEach((block, index) => {
      if (fates[index] !== this.fates[at][index]) setFate(block, fates[index], this.sides[at].trace);
    });
    this.fates[at] = fates;
  }

  /** Marks where two runs differ, and says how much. @returns {string} nothing where they cannot be compared */
  compare() {
    if (!this.is_paired) return "";
    const [left, right] = this.fates;
    const n = { both: 0, left: 0, right: 0 };
    left.forEach((fate, index) => {
      const [is_left, is_right] = [fate === "kept", right[index] === "kept"];
      if (is_left && is_right) n.both += 1;
      else if (is_left) n.left += 1;
      else if (is_right) n.right += 1;
      this.lines[index].classList.toggle("is-different", is_left !== is_right);
    });
    const [a, b] = this.sides.map(({ run }) => run.name);
    return `Both keep ${several(n.both, "step")}; only ${a} ${n.left}, only ${b} ${n.right}.`;
  }

  /** Moves the focus to the next step that is shown. @param {1 | -1} direction */
  walk(direction) {
    this.finish();
    const [blocks] = this.blocks;
    const at = blocks.findIndex((block) => block.contains(document.activeElement));
    let next = at < 0 ? (direction > 0 ? 0 : blocks.length - 1) : at + direction;
    while (blocks[next] && !blocks[next].checkVisibility({ visibilityProperty: true })) next += direction;
    if (blocks[next]) this.focusStep(next);
  }

  /** @param {number} index */
  focusStep(index) {
    this.finish();
    const block = this.blocks[0][index];
    block.focus({ preventScroll: true });
    block.scrollIntoView({ block: "nearest" });
  }

  /** Goes to the first step that has a text. @param {string} text @returns {boolean} false where none has */
  findStep(text) {
    this.finish();
    const step = this.blocks[0].findIndex((block) => hasText(block.textContent, text));
    if (step >= 0) this.focusStep(step);
    return step >= 0;
  }
}

/** @param {import("./api.js").Step[]} left @param {import("./api.js").Step[]} right */
function areSameSteps(left, right) {
  return left.length === right.length && left.every((step, index) => step.n_chars === right[index].n_chars);
}
