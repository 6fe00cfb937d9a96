// Why there is no answer, and the key that the service may ask for.

import { find } from "./dom.js";

// What a header can carry; at anything else fetch fails as if there were no service.
const SENDABLE = /^[\x20-\x7e]+$/;

const trouble = find("#trouble");
const again = trouble.querySelector("button");
const keyForm = find("#key");

/** Call `onAgain()` when the person wants to try again, and `onKey(key)` with the key, null for what can be none. */
export function setUpTrouble(onAgain, onKey) {
  again.addEventListener("click", onAgain);
  keyForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = find("#key-field").value.trim();
    const isKey = SENDABLE.test(key);
    onKey(isKey ? key : null);
    if (!isKey) say("That cannot be a key: expected plain letters, digits and signs, no accents or curly quotes.");
  });
}

export function tellTrouble(error) {
  const needsKey = error.code === "unauthorized";
  say(error.message);
  showKeyForm(needsKey);
  again.hidden = needsKey;
}

export function hideTrouble() {
  trouble.hidden = true;
  showKeyForm(false);
}

function say(text) {
  trouble.querySelector("p").textContent = text;
  trouble.hidden = false;
}

function showKeyForm(isNeeded) {
  // From a field that goes away the focus would fall to nothing.
  if (!isNeeded && keyForm.contains(document.activeElement)) find("#ink").focus({ preventScroll: true });
  keyForm.hidden = !isNeeded;
}
