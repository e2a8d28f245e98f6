// Marks a text that was searched for in what is on the page, without touching its nodes.

/**
 * Finds a text as the search does: with the flags `iu` cases are folded by the same rule.
 * @param {string} text
 */
function makePattern(text) {
  return new RegExp(text.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&"), "giu");
}

/** Whether a text has another, upper and lower case alike. @param {string | null} text @param {string} wanted */
export function hasText(text, wanted) {
  return makePattern(wanted).test(text ?? "");
}

/**
 * Marks a text in some blocks, upper and lower case alike.
 * @param {string} text
 * @param {Iterable<Element>} blocks in the order of reading
 */
export function markText(text, blocks) {
  const pattern = makePattern(text);
  const ranges = [];
  for (const block of blocks) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (const found of (node.textContent ?? "").matchAll(pattern)) {
        const range = new Range();
        range.setStart(node, found.index);
        range.setEnd(node, found.index + found[0].length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights?.set("found", new Highlight(...ranges));
}

/**
 * Brings the first place of a text in a panel into sight, and the focus to the panel.
 * @param {string} text
 * @param {Element | null} panel
 */
export function goToText(text, panel) {
  const scroll = /** @type {HTMLElement | null} */ (panel?.querySelector(".scroll") ?? null);
  if (!scroll) return;
  const walker = document.createTreeWalker(scroll, NodeFilter.SHOW_TEXT);
  let node = walker.nextNode();
  while (node && !hasText(node.textContent, text)) node = walker.nextNode();
  scroll.focus({ preventScroll: true });
  (node?.parentElement ?? scroll).scrollIntoView({ block: "nearest" });
}

/** Takes the marks away. */
export function unmarkText() {
  CSS.highlights?.delete("found");
}
