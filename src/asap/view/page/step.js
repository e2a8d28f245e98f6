// One step of a trace as a block: its fate by shape, word and colour, the numbers that decided it.

import { el, hidden } from "asap/dom";
import { count, decimal, probability } from "asap/format";
import { showCut, showPieces } from "asap/pieces";

/** @typedef {import("./api.js").Step} Step */
/** @typedef {import("./api.js").Fate} Fate */

/** What a fate is called. @type {Record<Fate, string>} */
export const FATES = { kept: "kept", stage1: "stage 1", stage2: "stage 2" };

/** @param {Fate | null} fate */
export function showFate(fate) {
  return [el("span", { class: "mark", "aria-hidden": true }), el("span", { class: "word" }, fate ? FATES[fate] : "")];
}

/**
 * @param {Step} step
 * @param {{label: string, most: number, showAll: (() => void) | null, is_own: boolean}} scale the score's
 *   name and the longest bar's value; whether the score is another than surprisal
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
        el("span", { class: "fate" }, showFate(null)),
        el("span", { class: "tokens" }, count(step.n_tokens), " tok"),
      ),
      showScore(step, scale),
      showSurprisal(step, scale),
      step.match !== null && el("div", { class: "line match" }, "match ", decimal(step.match)),
    ),
    el("div", { class: "text" }, showPieces(step.pieces), step.cut ? showCut(step.cut, scale.showAll) : null),
  );
}

/** @param {Step} step @param {{label: string, most: number, is_own: boolean}} scale */
function showScore(step, { label, most, is_own }) {
  const value = is_own ? step.score : step.surprisal;
  if (value === null) return null;
  const share = most > 0 ? Math.max(0, value) / most : 0;
  return el(
    "div",
    { class: "line score", title: label },
    hidden(`${label}: `),
    el("span", { class: "bar", style: { "--share": share.toFixed(3) } }),
    el("span", { class: "value" }, decimal(value)),
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

/** @param {Step} step @param {{is_own: boolean}} scale */
function showSurprisal(step, { is_own }) {
  if (!is_own || (step.surprisal === null && step.first_token === null)) return null;
  const surprisal = step.surprisal !== null && `surprisal ${decimal(step.surprisal)} `;
  return el("div", { class: "line" }, surprisal, showFirst(step));
}

/**
 * Writes a fate into a step's block.
 * @param {HTMLElement} block
 * @param {Fate | null} fate
 */
export function setFate(block, fate) {
  if (fate === null) return;
  block.dataset.fate = fate;
  const word = block.querySelector(".word");
  if (word) word.textContent = FATES[fate];
}
