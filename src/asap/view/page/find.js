// Marks a text that was searched for in what is on the page, without touching its nodes.

/**
 * Marks a text in some blocks, upper and lower case alike.
 * @param {string} text
 * @param {Iterable<Element>} blocks in the order of reading
 * @returns {Element | null} the first block that has it
 */
export function markText(text, blocks) {
  const wanted = text.toLowerCase();
  const ranges = [];
  let first = null;
  for (const block of blocks) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const content = (node.textContent ?? "").toLowerCase();
      for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + wanted.length)) {
        if (at + wanted.length > (node.textContent ?? "").length) break; // lower case can be longer
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        ranges.push(range);
        first ??= block;
      }
    }
  }
  CSS.highlights?.set("found", new Highlight(...ranges));
  return first;
}

/** Takes the marks away. */
export function unmarkText() {
  CSS.highlights?.delete("found");
}
