// Short names for what every part of the page does with its elements.

export const find = (selector) => document.querySelector(selector);

/** Make an element; `content` is its text or its children. */
export function make(tag, { className = "", content = [], ...attributes } = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat());
  return element;
}
