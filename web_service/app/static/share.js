// What leaves the page by the person's hand: text for the clipboard, and files.

import { find } from "./dom.js";

const byHand = find("#by-hand");

/** Copy a text, and return whether the browser let it; if not, it stands in a field, to copy by hand. */
export async function copyText(text, title) {
  const area = byHand.querySelector("textarea");
  area.value = text;
  try {
    // Not there on a page that came over plain HTTP from another machine.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    byHand.querySelector("span").textContent = title;
    byHand.hidden = false;
    area.select();
    return false;
  }
}

export function hideByHand() {
  byHand.hidden = true;
}

export function saveFile(blob, fileName) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
