// "Not a 7?": the person names a digit, which is kept with its picture in this browser alone.

import { find, make } from "./dom.js";
import { countDigits, dropDigit, dropDigits, keepDigit, packDigits } from "./own_digits.js";
import { saveFile } from "./share.js";
import { count, name } from "./words.js";

const NUM_DIGITS = 10;

const own = find("#own");
const doubt = find("#doubt");
let doubted = { one: null, keep: null };
let queue = Promise.resolve();

/** Ask for a digit's name: ten buttons, of which the person's is pressed; `onName(label)` is called with each press. */
export function makeNaming(question, one, onName) {
  const buttons = Array.from({ length: NUM_DIGITS }, (_, label) => {
    const isPressed = one.label === label;
    const button = make("button", {
      type: "button",
      "aria-pressed": isPressed,
      "aria-label": `It is ${name(label)}`,
      content: `${label}`,
    });
    button.dataset.label = label;
    button.addEventListener("click", () => onName(label));
    return button;
  });
  const choice = make("div", { className: "choice", content: buttons });
  return make("div", {
    className: "naming",
    role: "group",
    "aria-label": "Which digit is it?",
    content: [make("p", { content: question }), choice],
  });
}

/** Offer to name the only digit, if there is one; `keep(one, label)` does so. */
export function showDoubt(one, keep) {
  doubted = { one, keep };
  doubt.hidden = !one;
  if (one) doubt.textContent = one.accepted ? `Not ${name(one.digit)}?` : "Which digit is it?";
  openDoubt(false);
}

function openDoubt(isOpen) {
  const { one, keep } = doubted;
  doubt.setAttribute("aria-expanded", isOpen);
  const nameIt = async (label) => {
    await keep(one, label);
    // Meanwhile there may be another digit.
    if (doubted.one !== one) return;
    openDoubt(true);
    find(`#naming [data-label="${label}"]`).focus();
  };
  find("#naming").replaceChildren(...(isOpen ? [makeNaming("It is", one, nameIt)] : []));
}

/** Keep a digit under its label with the picture that `cutOut()` makes; the same label once more takes that back. */
export function nameDigit(one, label, cutOut) {
  // One after the other, or a double click would keep the digit twice.
  queue = queue.then(async () => {
    if (one.label === label) {
      await dropDigit(one.key);
      delete one.label;
      return;
    }
    one.key = await keepDigit(label, await cutOut(), one.key);
    one.label = label;
  });
  const done = queue.then(showOwn);
  queue = queue.catch(() => {});
  return done;
}

/** Show how many digits are kept. */
export async function showOwn() {
  const number = await countDigits();
  own.hidden = number === 0;
  const digits = count(number, "One digit that you named is", "digits that you named are");
  own.querySelector("span").textContent = `${digits} kept in this browser alone.`;
}

doubt.addEventListener("click", () => openDoubt(doubt.getAttribute("aria-expanded") !== "true"));
find("#own-download").addEventListener("click", async () => saveFile(await packDigits(), "digits.zip"));
find("#own-forget").addEventListener("click", async () => {
  await dropDigits();
  // From a button that goes away the focus would fall to nothing.
  find("#ink").focus({ preventScroll: true });
  await showOwn();
});
