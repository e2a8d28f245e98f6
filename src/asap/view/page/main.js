// The frame around the views: the head of the page, which view an address means, the theme.

import { getRuns, isStatic } from "asap/api";
import { announce, el } from "asap/dom";
import { listen, toggle, useKeys } from "asap/keys";
import { overviewView } from "asap/overview";
import { problemView, problemsView } from "asap/problem";
import { resultsView } from "asap/results";
import { href, readRoute } from "asap/routes";
import { runsView } from "asap/runs";
import { traceView } from "asap/trace";
import { tracesView } from "asap/traces";

/** @typedef {import("./api.js").Run} Run */
/** @typedef {import("./routes.js").Route} Route */
/**
 * @typedef {object} View
 * @property {string} title
 * @property {import("./dom.js").Child} node
 * @property {number} [run] which run's tabs stand in the head
 * @property {boolean} [is_plain] the view brings its own heading
 * @property {import("./keys.js").Key[]} [keys]
 * @property {() => void} [shown] called once the view is on the page
 * @property {() => void} [leave]
 */

/** @param {Route} route @returns {Promise<View | null>} null where the address was another's */
function openView(route) {
  const [first, , third] = route.parts;
  if (first === undefined) return runsView();
  if (first === "results") return resultsView(route);
  if (first === "problem") return problemView(route);
  if (first === "run" && third === undefined) return overviewView(route);
  if (first === "run" && third === "traces") return tracesView(route);
  if (first === "run" && third === "trace") return traceView(route);
  if (first === "run" && third === "problems") return problemsView(route);
  return Promise.reject(new Error("There is no such view."));
}

/** @type {View | null} */
let present = null;
let n_drawn = 0;

async function draw() {
  const mine = (n_drawn += 1);
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  main.setAttribute("aria-busy", "true");
  const view = await openView(readRoute()).catch(showFailure);
  if (mine !== n_drawn || view === null) return; // the reader has gone on
  present?.leave?.();
  present = view;
  const { runs } = await getRuns().catch(() => ({ runs: [] }));
  fillHead(runs, view.run);
  document.title = `${view.title} · asap`;
  const heading = el("h1", { tabindex: -1 }, view.title);
  main.replaceChildren(...el("div", null, view.is_plain ? null : heading, view.node).childNodes);
  main.removeAttribute("aria-busy");
  useKeys(view.keys ?? []);
  if (mine > 1) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus();
    announce(view.title);
  }
  view.shown?.();
}

/** @param {Error} error @returns {View} */
function showFailure(error) {
  return {
    title: "Not here",
    node: [el("p", { class: "banner" }, error.message), el("p", null, el("a", { href: "#/" }, "All runs"))],
  };
}

/** @param {Run[]} runs @param {number | undefined} n */
function fillHead(runs, n) {
  const run = runs.find((each) => each.n === n);
  const { parts } = readRoute();
  /** @param {string} address @param {string} text @param {boolean} is_here */
  const tab = (address, text, is_here) => el("a", { href: address, "aria-current": is_here && "page" }, text);
  const results = runs.filter(({ kind }) => kind !== "prune" && kind !== "train");
  const top = /** @type {HTMLElement} */ (document.getElementById("top"));
  top.replaceChildren(
    el("a", { class: "brand", href: "#/" }, "asap"),
    el(
      "nav",
      { "aria-label": "Views" },
      runs.length > 1 && tab("#/", "Runs", parts.length === 0),
      results.length > 0 &&
        tab(href(["results"], { runs: results.map((each) => each.n).join(",") }), "Results", parts[0] === "results" || (parts[0] === "problem" && n === undefined)),
      run && [
        el("span", { class: "crumb" }, run.name),
        tab(href(["run", run.n]), "Overview", parts[2] === undefined),
        run.kind === "prune" && tab(href(["run", run.n, "traces"]), "Traces", (parts[2] ?? "").startsWith("trace")),
        run.kind === "eval" && !isStatic && tab(href(["run", run.n, "problems"]), "Problems", parts[2] === "problems" || parts[0] === "problem"),
      ],
    ),
    el("button", { type: "button", class: "quiet", onclick: toggle, "aria-keyshortcuts": "?" }, "Keys ", el("kbd", null, "?")),
    themeSwitch(),
  );
}

const THEMES = ["system", "light", "dark"];

function themeSwitch() {
  const choose = (/** @type {Event} */ event) => setTheme(/** @type {HTMLSelectElement} */ (event.target).value);
  const options = THEMES.map((name) => el("option", { value: name, selected: name === getTheme() }, name));
  return el("label", { class: "theme" }, "Theme ", el("select", { onchange: choose }, options));
}

function getTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** @param {string | null} name */
function setTheme(name) {
  if (name === null || !THEMES.includes(name)) return;
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("asap-theme", name);
  } catch {
    // a file on disk may have no storage: the choice holds for this page
  }
}

function readTheme() {
  try {
    return localStorage.getItem("asap-theme");
  } catch {
    return null;
  }
}

setTheme(readTheme());
listen();
document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // the hash is the view's address
  document.getElementById("main")?.focus();
});
addEventListener("hashchange", () => void draw());
void draw();
