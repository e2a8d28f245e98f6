// The list that a problem was opened from, one run's or two runs', as its address says: the problems
// before and after it, and the way back.

import { get, query } from "asap/api";
import { href } from "asap/routes";

/** Problems on a page of a list. */
export const PAGE = 100;

/**
 * The address of a problem in a list.
 * @param {{benchmark: string, id: string, budget: number, sample: number}} row
 * @param {Record<string, any>} list its parameters: `a` and `b` the runs, `in` the benchmark that is
 *   filtered by, `verdict` and `like` (part of an id) for one run, `only` and `runs` for two, `at` the
 *   problem's place
 */
export function addressProblem(row, list) {
  return href(["problem", row.benchmark, row.id], { ...list, budget: row.budget, sample: row.sample || null });
}

/** The way back to the list, at the page that the problem stands on. @param {URLSearchParams} params */
export function addressList(params) {
  const { a, b, runs, only, verdict, like, in: benchmark } = Object.fromEntries(params);
  const offset = Math.floor(Number(params.get("at") ?? 0) / PAGE) * PAGE || null;
  if (b) return href(["results"], { runs, a, b, benchmark, only, offset });
  return href(["run", a ?? 0, "problems"], { benchmark, verdict, id: like, offset });
}

/**
 * The problems before and after one in its list, and where it stands.
 * @param {string} benchmark
 * @param {string} id
 * @param {URLSearchParams} params the problem's address
 * @returns {Promise<{before: string | null, after: string | null, position: number, total: number} | null>} null
 *   where the address says no place
 */
export async function findNeighbours(benchmark, id, params) {
  const at = Number(params.get("at") ?? NaN);
  if (!Number.isInteger(at) || at < 0) return null;
  const { a, b, only, verdict, like, in: filter } = Object.fromEntries(params);
  const from = Math.max(0, at - 1);
  const window = { benchmark: filter, offset: from, limit: 3 };
  const page = b
    ? await get(query("/api/problems", { a, b, only, ...window }))
    : await get(query(`/api/runs/${a}/problems`, { verdict, id: like, ...window }));
  const here = page.rows[at - from];
  if (here?.benchmark !== benchmark || here.id !== id) return null;
  const { budget, sample, full, ...list } = Object.fromEntries(params);
  const address = (/** @type {number} */ place) => {
    const row = page.rows[place - from];
    return row && place >= 0 ? addressProblem(row, { ...list, at: place }) : null;
  };
  return { before: address(at - 1), after: address(at + 1), position: at, total: page.total };
}
