// The keyboard: each view says which keys it takes; `?` shows them.

import { el } from "asap/dom";

/** @typedef {{keys: string[], says: string, act: () => void}} Key */

/** @type {Key[]} */
let present = [];

const ALWAYS = [
  { keys: ["?"], says: "show or hide this list", act: () => toggle() },
  { keys: ["g"], says: "all runs", act: () => { location.hash = "#/"; } },
];

const SHOWN = new Map([["ArrowDown", "↓"], ["ArrowUp", "↑"], ["Escape", "Esc"]]);

/** The keys of the view on the page. @param {Key[]} keys */
export function useKeys(keys) {
  present = keys;
}

/** Starts listening. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (findDialog()?.open) {
      if (event.key === "?") toggle();
      return; // the dialog closes itself on Escape
    }
    const target = /** @type {HTMLElement} */ (event.target);
    if (isTyping(target)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key.startsWith("Arrow") && target.matches("input, select, [role=region]")) return;
    const key = [...present, ...ALWAYS].find(({ keys }) => keys.includes(event.key));
    if (!key) return;
    event.preventDefault();
    key.act();
  });
}

/** @param {HTMLElement} target */
function isTyping(target) {
  return target.matches("select, textarea, input:not([type=range], [type=checkbox], [type=radio])");
}

/** @returns {HTMLDialogElement | null} */
function findDialog() {
  return /** @type {HTMLDialogElement | null} */ (document.getElementById("keys"));
}

/** Shows the keys of this view, or hides them. */
export function toggle() {
  const shown = findDialog();
  if (shown) {
    shown.close();
    return;
  }
  const rows = [...present, ...ALWAYS].map(({ keys, says }) =>
    el("div", null, el("dt", null, keys.map((key) => el("kbd", null, SHOWN.get(key) ?? key))), el("dd", null, says)),
  );
  const dialog = el(
    "dialog",
    { id: "keys", "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    el("h2", { id: "keys-title" }, "Keys"),
    el("dl", null, rows),
    el("form", { method: "dialog" }, el("button", { type: "submit" }, "Close")),
  );
  document.body.append(dialog);
  dialog.showModal();
}
