// Every view has a URL, kept in its hash, so that the same addresses work served and from a file.

/** @typedef {{parts: string[], params: URLSearchParams}} Route */

/** Where the page is. @returns {Route} */
export function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean).map(decodePart);
  return { parts, params: new URLSearchParams(query ?? "") };
}

/** @param {string} part */
function decodePart(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign in a hand-written address
  }
}

/**
 * The address of a view.
 * @param {(string | number)[]} parts
 * @param {URLSearchParams | Record<string, any>} [params] empty values are left out
 */
export function href(parts, params = {}) {
  const pairs = params instanceof URLSearchParams ? [...params] : Object.entries(params);
  const query = new URLSearchParams();
  for (const [name, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const path = parts.map((part) => encodeURIComponent(part)).join("/");
  const text = query.toString().replaceAll("%2C", ",");
  return `#/${path}${text ? `?${text}` : ""}`;
}

/** Goes to a view. @param {string} address from `href` */
export function go(address) {
  location.hash = address;
}

/**
 * Writes a state of the present view into its address without drawing the view again.
 * @param {(string | number)[]} parts
 * @param {URLSearchParams | Record<string, any>} params
 */
export function keepInAddress(parts, params) {
  history.replaceState(null, "", href(parts, params));
}
