// Numbers as text. Nothing here decides what is shown.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count: 12,345; a dash for none. @param {number | null | undefined} value */
export function count(value) {
  return value === null || value === undefined ? "–" : whole.format(value);
}

/** A share in [0, 1] as a percentage. @param {number | null | undefined} share @param {number} [digits] */
export function percent(share, digits = 1) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  return `${(share * 100).toFixed(digits)}\u202f%`;
}

/** A probability: small ones keep two digits that say something. @param {number} share */
export function probability(share) {
  if (share >= 0.01) return percent(share, share >= 0.1 ? 0 : 1);
  return share < 0.0001 ? "<0.01\u202f%" : percent(share, 2);
}

/** @param {number | null | undefined} value @param {number} [digits] */
export function decimal(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** `1 step`, `2 steps`. @param {number} n @param {string} noun */
export function several(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}
