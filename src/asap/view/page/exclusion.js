// Why a row was excluded, in the words of docs/excluded.md, and what helps.

import { el } from "asap/dom";
import { showPieces } from "asap/pieces";

/** @param {import("./api.js").Trace} trace */
export function showExclusion({ outcome, reason, detail, explanation }) {
  if (outcome !== "excluded") return null;
  const remedy = explanation?.remedy;
  return el(
    "div",
    { class: "banner exclusion" },
    explanation && el("p", null, "Excluded: ", showPieces(explanation.meaning), "."),
    detail && el("p", { class: "detail" }, detail),
    remedy && el("p", null, "What helps: ", showPieces(remedy), "."),
    el("p", { class: "note" }, "All reasons and what helps: ", el("code", null, "docs/excluded.md"), reason && [", ", el("code", null, reason)], "."),
  );
}
