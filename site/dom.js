// Elements of the page, typed, and sure to be there.

/**
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} type
 * @param {ParentNode} root
 * @returns {T} the first that fits
 * @throws {Error} where there is none, or one of another type: index.html and the scripts disagree
 */
export function find(selector, type, root = document) {
  const element = root.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`The page has no ${type.name} ${selector}.`);
}

/** @param {Element} container */
export const hasFocus = (container) => container.contains(document.activeElement);

/** If what had the focus is hidden now, the first visible button gets it. @param {Element} container */
export function keepFocus(container) {
  if (hasFocus(container) && !document.activeElement?.closest("[hidden]")) return;
  const buttons = [...container.querySelectorAll("button")];
  buttons.find((button) => !button.closest("[hidden]"))?.focus();
}

/** @param {string} selector of a template  @returns {HTMLElement} a copy of its only element */
export function clone(selector) {
  const { content } = find(selector, HTMLTemplateElement);
  return find("*", HTMLElement, document.importNode(content, true)); // of this document: pictures load
}
