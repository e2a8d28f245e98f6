// Where answers come from: the server, or the data that a single-file report carries.

/** @typedef {[string, any, string?]} Piece */
/** @typedef {{pieces: Piece[], cut?: number | null}} Text */
/** @typedef {{n: number, name: string, kind: string, status: string, rows: number | null, is_comparable: boolean}} Run */
/** @typedef {{text: string, value?: number | null, low?: number | null, high?: number | null, is_best?: boolean}} Cell */
/** @typedef {{title: string, columns: {heading: string, group?: string | null, is_numeric?: boolean}[], rows: Cell[][], notes?: string[]}} Table */
/** @typedef {{name: string, title: string, alt: string, url: string | null, table: Table | null}} Plot */
/** @typedef {"kept" | "stage1" | "stage2"} Fate */
/**
 * @typedef {object} Step
 * @property {number} index
 * @property {Piece[]} pieces
 * @property {number | null} [cut]
 * @property {number} n_chars
 * @property {number} n_tokens
 * @property {Fate | null} fate
 * @property {number | null} surprisal nats
 * @property {number | null} score
 * @property {string | null} first_token
 * @property {number | null} probability
 * @property {number | null} match
 * @property {string | null} why stage 1 drops it
 */
/**
 * @typedef {object} Slider
 * @property {number[]} removal_order
 * @property {number[]} tokens_after_removal
 * @property {number} n_tokens cost with nothing removed
 * @property {number} n_fixed removals that no budget undoes
 * @property {number} n_most removals that no budget exceeds
 * @property {number} limit_now
 * @property {number} min
 * @property {number} max
 */
/**
 * @typedef {object} Trace
 * @property {number} row
 * @property {string} id
 * @property {string} outcome
 * @property {string | null} reason
 * @property {string | null} detail
 * @property {{meaning: Piece[], remedy: Piece[] | null} | null} explanation of the reason
 * @property {Text} question
 * @property {Text} answer
 * @property {Text | null} anchor
 * @property {Text | null} reply
 * @property {Text | null} rewritten
 * @property {Text | null} thinking where the steps do not say it
 * @property {Fate[]} stages the fates that dropped steps can have
 * @property {{mode: string, attempts: number, prompt_version: string | null, failure: string | null} | null} stage1
 * @property {string | null} score_name
 * @property {string} score_label
 * @property {number | null} tokens_before
 * @property {number | null} tokens_after_stage1
 * @property {number | null} tokens_after
 * @property {boolean} is_reply_subject
 * @property {Slider | null} slider
 * @property {string | null} [slider_why]
 * @property {Step[]} steps
 */
/** @typedef {{row: number, id: string, outcome: string, reason: string | null, mode: string | null, tokens_before: number | null, tokens_after: number | null, kept: number | null, steps_before: number | null, steps_after: number | null, similarity: number | null}} TraceRow */
/** @typedef {{total: number, offset: number, ranges: Record<string, [number, number]>, reasons: string[], modes: string[], rows: TraceRow[]}} TraceList */

const carrier = document.getElementById("asap-data");
/** @type {Record<string, any> | null} */
const carried = carrier ? JSON.parse(carrier.textContent ?? "{}") : null;

/** Whether this is a single file: what it does not carry is not offered. */
export const isStatic = carried !== null;

/** A request that had no answer; the message is for the reader. */
export class NoAnswer extends Error {}

/**
 * Asks for a JSON answer.
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, signal) {
  if (carried) {
    if (path in carried) return carried[path];
    throw new NoAnswer("This part is not in the file; open the run with `asap view` to see it.");
  }
  let response;
  try {
    response = await fetch(path, { signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NoAnswer("The server does not answer; is `asap view` still running?");
  }
  if (response.ok) return response.json();
  const answer = await response.json().catch(() => null);
  throw new NoAnswer(answer?.error ?? `The server answered ${response.status} to ${path}.`);
}

const MOST_READY = 16;
/** @type {Map<string, Promise<any>>} */
const ready = new Map();

/**
 * Like `get` for answers that a reader comes back to or that were fetched ahead.
 * @param {string} path
 * @returns {Promise<any>}
 */
export function getAgain(path) {
  const known = ready.get(path);
  if (known) return known;
  const answer = get(path);
  ready.set(path, answer);
  answer.catch(() => ready.delete(path));
  if (ready.size > MOST_READY) ready.delete([...ready.keys()][0]);
  return answer;
}

/** Whether a single file carries an answer; a server may have any. @param {string} path */
export function isOffered(path) {
  return !carried || path in carried;
}

/** @type {Promise<{version: string, is_static: boolean, runs: Run[]}> | undefined} */
let runs;

/** The runs that are open; asked for once. */
export function getRuns() {
  runs ??= get("/api/runs");
  return runs;
}

/**
 * A path with a query; empty values are left out.
 * @param {string} path
 * @param {Record<string, any>} params
 */
export function query(path, params) {
  const pairs = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text.replaceAll("%2C", ",")}` : path;
}
