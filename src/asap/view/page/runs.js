// The runs that are open, and their numbers side by side.

import { get, getRuns, isOffered } from "asap/api";
import { el } from "asap/dom";
import { count } from "asap/format";
import { go, href } from "asap/routes";
import { scroller, showNote, showPlots, showTable } from "asap/table";

/** @typedef {import("./api.js").Run} Run */

export async function runsView() {
  const { runs } = await getRuns();
  if (runs.length === 1) {
    location.replace(href(["run", 0]));
    return null;
  }
  // Results of other kinds are long, and have a view of their own.
  const pruned = runs.filter(({ kind }) => kind === "prune");
  const path = `/api/overview?runs=${pruned.map(({ n }) => n).join(",")}`;
  const { tables = [], plots = [], notes = [] } = pruned.length > 0 && isOffered(path) ? await get(path) : {};
  const step = makeStepper();
  return {
    title: "Runs",
    node: [showRuns(runs), notes.map(showNote), tables.map(showTable), showPlots(plots)],
    keys: [
      { keys: ["j", "ArrowDown"], says: "next run", act: () => step(1) },
      { keys: ["k", "ArrowUp"], says: "previous run", act: () => step(-1) },
    ],
  };
}

/** @param {Run[]} runs */
function showRuns(runs) {
  const headings = ["run", "kind", "status", "rows"];
  return el(
    "section",
    { class: "table" },
    scroller(
      "Open runs",
      el(
        "table",
        { class: "rows" },
        el("caption", { class: "hidden" }, "Open runs"),
        el(
          "thead",
          null,
          el("tr", null, headings.map((heading) => el("th", { scope: "col", class: heading === "rows" && "number" }, heading))),
        ),
        el("tbody", null, runs.map(showRun)),
      ),
    ),
  );
}

/** @param {Run} run */
function showRun({ n, name, kind, status, rows }) {
  const address = href(["run", n]);
  return el(
    "tr",
    { onclick: (/** @type {MouseEvent} */ event) => followRow(event, address) },
    el("th", { scope: "row" }, el("a", { class: "open", href: address }, name)),
    el("td", null, kind),
    el("td", null, status),
    el("td", { class: "number" }, count(rows)),
  );
}

/** A click anywhere in a row opens it, unless text was being marked. @param {MouseEvent} event @param {string} address */
export function followRow(event, address) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("a, button") || getSelection()?.toString()) return;
  go(address);
}

/**
 * Moves the focus between the rows of a list.
 * @returns {(direction: 1 | -1) => boolean} false where there is no further row
 */
export function makeStepper() {
  return (direction) => {
    const links = [...document.querySelectorAll("main a.open")];
    const active = document.activeElement?.closest("tr, li")?.querySelector("a.open");
    const at = active ? links.indexOf(active) + direction : direction > 0 ? 0 : links.length - 1;
    const link = /** @type {HTMLElement | undefined} */ (links[at]);
    link?.focus();
    link?.closest("tr, li")?.scrollIntoView({ block: "nearest" });
    return link !== undefined;
  };
}
