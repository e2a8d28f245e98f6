// What would be kept at another budget: read off the order of removals, by the same rule as
// `select_within` of asap.trace and the bounds that pruning puts around it.

/** @typedef {import("./api.js").Trace} Trace */
/** @typedef {import("./api.js").Slider} Slider */
/** @typedef {import("./api.js").Fate} Fate */
/** @typedef {{fates: (Fate | null)[], n_kept: number, tokens: number | null}} State */

/** A budget that the slider has. @param {Slider | null} slider @param {number} limit tokens */
export function clampBudget(slider, limit) {
  return slider ? Math.min(slider.max, Math.max(slider.min, Math.round(limit))) : limit;
}

/**
 * How many removals it takes until the rest costs at most `limit` tokens.
 * @param {Slider} slider
 * @param {number} limit tokens
 */
export function countRemovals(slider, limit) {
  const { tokens_after_removal: tokens, n_fixed, n_most } = slider;
  let n_removed = 0;
  if (slider.n_tokens > limit) {
    const first = tokens.findIndex((cost, position) => cost <= limit && position + 1 < tokens.length);
    n_removed = first < 0 ? tokens.length : first + 1;
  }
  return Math.min(n_most, Math.max(n_fixed, n_removed));
}

/**
 * The fates of a trace's steps at a budget.
 * @param {Trace} trace
 * @param {number | null} limit tokens; null for what the run decided
 * @returns {State}
 */
export function stateAt(trace, limit) {
  const { slider } = trace;
  if (limit === null || !slider) {
    const fates = trace.steps.map((step) => step.fate);
    return { fates, n_kept: countKept(fates), tokens: trace.tokens_after };
  }
  const n_removed = countRemovals(slider, limit);
  /** @type {(Fate | null)[]} */
  const fates = trace.steps.map(() => "kept");
  for (const index of slider.removal_order.slice(0, n_removed)) fates[index] = droppedBy(trace, index);
  const tokens = n_removed ? slider.tokens_after_removal[n_removed - 1] : slider.n_tokens;
  return { fates, n_kept: countKept(fates), tokens };
}

/** @param {(Fate | null)[]} fates */
function countKept(fates) {
  return fates.filter((fate) => fate === "kept").length;
}

/**
 * The stage that drops a step, where one does. Stage 1's drops were never scored; a step that the
 * budget spared has no fate that would say so.
 * @param {Trace} trace
 * @param {number} index
 * @returns {Fate}
 */
function droppedBy(trace, index) {
  const step = trace.steps[index];
  if (step.fate !== "kept" && step.fate !== null) return step.fate;
  const has_stage1 = trace.stage1 !== null && trace.stage1.mode !== "none";
  return has_stage1 && step.surprisal === null && step.score === null ? "stage1" : "stage2";
}

/**
 * The budget at which the next step goes (or comes back); null where there is none.
 * @param {Slider} slider
 * @param {number} limit tokens
 * @param {1 | -1} direction
 */
export function findNextBudget(slider, limit, direction) {
  const now = countRemovals(slider, limit);
  const costs = new Set([slider.n_tokens, ...slider.tokens_after_removal].filter((cost) => cost >= slider.min));
  const ordered = [...costs, slider.max].sort((a, b) => direction * (a - b));
  for (const cost of ordered) {
    if (direction * (cost - limit) > 0 && countRemovals(slider, cost) !== now) return cost;
  }
  return null;
}
