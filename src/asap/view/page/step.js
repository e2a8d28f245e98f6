// One step of a trace as a block: its fate by shape, word and colour, the numbers that decided it.

import { el, hidden } from "asap/dom";
import { count, decimal, probability } from "asap/format";
import { showCut, showPieces } from "asap/pieces";

/** @typedef {import("./api.js").Step} Step */
/** @typedef {import("./api.js").Trace} Trace */
/** @typedef {import("./api.js").Fate} Fate */
/**
 * @typedef {object} Scale what the steps of a trace have in common
 * @property {string} label the score's name and unit
 * @property {number} least what an empty bar stands for
 * @property {number} most the longest bar's value
 * @property {number} digits of a value
 * @property {boolean} is_own whether the score is another than surprisal
 * @property {boolean} is_raw whether texts are shown as they stand
 * @property {(() => void) | null} showAll
 */

/** @type {Record<Fate, string>} */
const WORDS = { kept: "kept", stage1: "stage 1", stage2: "stage 2" };

/**
 * What a fate is called: of a method with one stage a step is kept or dropped.
 * @param {Trace} trace
 * @param {Fate} fate
 */
export function nameFate({ stages }, fate) {
  return fate !== "kept" && stages.length < 2 ? "dropped" : WORDS[fate];
}

/** @param {string} word */
export function showFate(word) {
  return [el("span", { class: "mark", "aria-hidden": true }), el("span", { class: "word" }, word)];
}

/**
 * @param {Step} step
 * @param {Scale} scale
 * @returns {HTMLElement}
 */
export function showStep(step, scale) {
  return el(
    "article",
    { class: "step", "data-step": step.index, tabindex: -1, "aria-label": `Step ${step.index}` },
    el(
      "div",
      { class: "facts" },
      el(
        "div",
        { class: "line" },
        el("span", { class: "index" }, step.index),
        el("span", { class: "fate" }, showFate("")),
        el("span", { class: "tokens" }, count(step.n_tokens), " tok"),
      ),
      showScore(step, scale),
      showSurprisal(step, scale),
      step.match !== null && el("div", { class: "line match" }, "match ", decimal(step.match)),
    ),
    el(
      "div",
      { class: scale.is_raw ? "text is-raw" : "text" },
      showPieces(step.pieces, scale.is_raw),
      step.cut ? showCut(step.cut, scale.showAll) : null,
    ),
    step.why && el("p", { class: "why" }, hidden("Why it goes: "), step.why),
  );
}

/** @param {Step} step @param {Scale} scale */
function showScore(step, { label, least, most, digits, is_own }) {
  const value = is_own ? step.score : step.surprisal;
  if (value === null) return null;
  const share = (value - least) / (most - least);
  return el(
    "div",
    { class: "line score", title: label },
    !is_own && hidden("surprisal "),
    el("span", { class: "bar", style: { "--share": share.toFixed(3) } }),
    el("span", { class: "value" }, decimal(value, digits)),
    el("span", { class: "unit" }, is_own ? label : "nats"),
    !is_own && showFirst(step),
  );
}

/** The first token and how probable it was. @param {Step} step */
function showFirst({ first_token, probability: share }) {
  return [
    first_token !== null && [hidden(" first token "), el("code", { class: "first", title: "first token" }, first_token)],
    share !== null && el("span", { class: "probability", title: "probability of the first token" }, probability(share)),
  ];
}

/** @param {Step} step @param {Scale} scale */
function showSurprisal(step, { is_own }) {
  if (!is_own || (step.surprisal === null && step.first_token === null)) return null;
  const surprisal = step.surprisal !== null && `surprisal ${decimal(step.surprisal)} `;
  return el("div", { class: "line" }, surprisal, showFirst(step));
}

/**
 * Writes a fate into a step's block.
 * @param {HTMLElement} block
 * @param {Fate | null} fate
 * @param {Trace} trace
 */
export function setFate(block, fate, trace) {
  if (fate === null) return;
  block.dataset.fate = fate;
  const word = block.querySelector(".word");
  if (word) word.textContent = nameFate(trace, fate);
}
