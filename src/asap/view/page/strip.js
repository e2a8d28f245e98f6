// The whole trace as one strip: a piece per step, as wide as its tokens, as high as its fate; a
// picture of what the list of steps says, and a way to jump in it.

import { svg } from "asap/dom";

/** @typedef {import("./api.js").Step} Step */
/** @typedef {import("./api.js").Fate} Fate */

const HEIGHT = 24;
/** @type {[Fate, number][]} fate, height */
const HEIGHTS = [["kept", 24], ["stage2", 13], ["stage1", 7]];

/**
 * @param {Step[]} steps
 * @param {(index: number) => void} jump
 */
export function makeStrip(steps, jump) {
  const ends = [0];
  for (const step of steps) ends.push(/** @type {number} */ (ends.at(-1)) + Math.max(1, step.n_tokens));
  const whole = /** @type {number} */ (ends.at(-1));
  const paths = HEIGHTS.map(([fate]) => svg("path", { class: `fate-${fate}` }));
  const node = svg(
    "svg",
    {
      class: "strip",
      viewBox: `0 0 ${whole} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": true,
      onclick: (/** @type {MouseEvent} */ event) => {
        const box = node.getBoundingClientRect();
        const at = ((event.clientX - box.left) / box.width) * whole;
        jump(Math.max(0, ends.findIndex((end) => end > at) - 1));
      },
    },
    paths,
  );
  const gap = whole / 4000;
  return {
    node,
    /** @param {(Fate | null)[]} fates */
    draw(fates) {
      HEIGHTS.forEach(([fate, height], at) => {
        const pieces = steps.map((_, index) => {
          if (fates[index] !== fate) return "";
          const width = Math.max(ends[index + 1] - ends[index] - gap, gap);
          return `M${ends[index]} ${HEIGHT - height}h${width}v${height}h-${width}z`;
        });
        paths[at].setAttribute("d", pieces.join(""));
      });
    },
  };
}
