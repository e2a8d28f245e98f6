// Which rows a list holds: asked of the server, or worked out here over what a single file carries.

import { get, isStatic, query } from "asap/api";

/** @typedef {import("./api.js").TraceList} TraceList */

/** Columns with a range to filter by: name, label, factor between the shown and the stored value. */
export const RANGES = /** @type {const} */ ([
  ["tokens_before", "Tokens before", 1],
  ["tokens_after", "Tokens after", 1],
  ["kept", "Kept, %", 100],
  ["steps_before", "Steps before", 1],
  ["similarity", "Similarity", 1],
]);

const EXACT = ["outcome", "reason", "mode"];

const FILTERS = [...EXACT, "id", ...RANGES.flatMap(([name]) => [`min_${name}`, `max_${name}`])];

/** Names of the parameters that say which rows and in which order. */
export const LIST_PARAMS = [...FILTERS, "sort", "desc"];

/** The part of an address that says which list. @param {URLSearchParams} params */
export function pickList(params) {
  return pick(LIST_PARAMS, params);
}

/** The part of it that says which rows. @param {URLSearchParams} params */
export function pickFilters(params) {
  return pick(FILTERS, params);
}

/** @param {string[]} names @param {URLSearchParams} params @returns {Record<string, string>} */
function pick(names, params) {
  return Object.fromEntries(names.map((name) => [name, params.get(name)]).filter(([, value]) => value));
}

/**
 * One page of a list of traces.
 * @param {number} n
 * @param {Record<string, string>} list
 * @param {number} offset
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<TraceList>}
 */
export async function listTraces(n, list, offset, limit, signal) {
  const path = `/api/runs/${n}/traces`;
  if (!isStatic) return get(query(path, { ...list, offset, limit }), signal);
  const all = /** @type {TraceList} */ (await get(path));
  const rows = all.rows.filter((row) => isWanted(row, list));
  if (list.sort) rows.sort((a, b) => compare(a, b, list.sort, list.desc === "1"));
  return { ...all, total: rows.length, offset, rows: rows.slice(offset, offset + limit) };
}

/** @param {Record<string, any>} row @param {Record<string, string>} list */
function isWanted(row, list) {
  if (EXACT.some((name) => list[name] && row[name] !== list[name])) return false;
  if (list.id && !row.id.toLowerCase().includes(list.id.toLowerCase())) return false;
  return RANGES.every(([name]) => {
    const low = list[`min_${name}`];
    const high = list[`max_${name}`];
    if (!low && !high) return true;
    const value = row[name];
    return value !== null && (!low || value >= Number(low)) && (!high || value <= Number(high));
  });
}

/** Rows without a value stand last. @param {any} a @param {any} b @param {string} name @param {boolean} is_down */
function compare(a, b, name, is_down) {
  const [x, y] = [a[name], b[name]];
  if (x === null || y === null) return Number(x === null) - Number(y === null);
  const order = x < y ? -1 : Number(x > y);
  return is_down ? -order : order;
}

/**
 * The rows before and after one in its list, and where it stands.
 * @param {number} n
 * @param {URLSearchParams} params the trace's address
 * @param {number} row
 */
export async function findNeighbours(n, params, row) {
  const list = pickList(params);
  const is_plain = Object.keys(list).length === 0;
  const text = params.get("at") ?? (is_plain && !isStatic ? String(row) : null);
  const whole = isStatic && text === null;
  if (text === null && !whole) return null;
  const from = whole ? 0 : Math.max(0, Number(text) - 1);
  const page = await listTraces(n, list, from, whole ? 1_000_000 : 3);
  const at = page.rows.findIndex((each) => each.row === row);
  if (at < 0) return null;
  const position = from + at;
  const address = (/** @type {number} */ step) => {
    const neighbour = page.rows[at + step];
    return neighbour ? { row: neighbour.row, at: position + step } : null;
  };
  return { before: address(-1), after: address(1), position, total: page.total };
}
