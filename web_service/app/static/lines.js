// The numbers of a page: a list of them, and boxes on the picture. Whichever is pointed at or chosen shows the other.

import { makeBoxes } from "./boxes.js";
import { find, make } from "./dom.js";
import { paintStrip } from "./geometry.js";
import { makeNaming } from "./naming.js";
import { isLineSure, isRead, isSure, measureConfidence, spell, tell } from "./numbers.js";
import { formatConfidence, name, spellOut } from "./words.js";

const REFUSED = { ambiguous: "unsure", not_a_digit: "no digit?", blank: "blank" };
const STRIP_HEIGHT = 112;
const STRIP_MARGIN = 0.15;

const list = find("#lines");
const boxes = find("#boxes");
let shown = { lines: [] };
let chosen = { line: null, digit: null };

/**
 * Show lines, as `numbers.js` knows them, about a picture: `size` is its size, if it is seen, `picture` what to cut a
 * line from, if anything. `onChoose(box, row)` is called with what stands for what was chosen, on the picture and in
 * the list, and `onName(one, label)` with a digit and the person's word for it.
 */
export function showLines(lines, { size, picture, onChoose, onName } = {}) {
  shown = { lines, size, picture, onChoose, onName };
  chosen = { line: lines.length === 1 ? 0 : null, digit: null };
  render();
}

/** Show the lines anew, after the person named a digit. */
export function render() {
  const { lines, size } = shown;
  const focus = list.contains(document.activeElement) ? { ...document.activeElement.dataset } : null;
  list.classList.toggle("single", lines.length === 1);
  list.replaceChildren(...lines.map(makeRow));
  boxes.replaceChildren(...(size ? makeBoxes(lines, size) : []));
  markChosen();
  if (!focus) return;
  const buttons = [...list.querySelectorAll("button")];
  buttons.find((one) => isSame(one.dataset, focus))?.focus({ preventScroll: true });
}

function makeRow(line, index) {
  const number = make("span", { className: "number", content: line.digits.filter(isRead).map(makeFigure) });
  const row = make("li", { className: isLineSure(line) ? "row" : "row refused", "data-line": index });
  if (shown.lines.length > 1) row.append(makeOpener(line, index, number));
  else row.append(number);
  number.style.setProperty("--length", spell(line).length);
  if (chosen.line === index) row.append(makeDetail(line, index));
  return row;
}

/** Make the button that opens a number; it is called by its place, its digits and how sure they are. */
function makeOpener(line, index, number) {
  const confidence = measureConfidence(line);
  const [share, said] = isLineSure(line)
    ? [formatConfidence(confidence, ">"), `${formatConfidence(confidence)} sure`]
    : ["unsure", "unsure"];
  return make("button", {
    type: "button",
    className: "opener",
    "aria-expanded": chosen.line === index,
    "aria-label": `Line ${index + 1}: ${spellOut(spell(line))}, ${said}`,
    "data-line": index,
    content: [
      make("span", { className: "index", content: `${index + 1}` }),
      number,
      make("span", { className: "share", content: share }),
    ],
  });
}

function makeFigure(one) {
  return make("span", { className: isSure(one) ? "" : "refused", content: `${tell(one)}` });
}

function makeDetail(line, index) {
  const isSingle = shown.lines.length === 1;
  const chips = line.digits.map((one, place) => make("li", { content: makeChip(one, place, index) }));
  const detail = make("div", { className: "detail" });
  if (shown.picture && !isSingle) detail.append(makeStrip(line, index));
  detail.append(
    make("ol", {
      className: "digits",
      "aria-label": isSingle ? "Digits found, left to right" : `Digits of line ${index + 1}`,
      content: chips,
    }),
  );
  const one = line.digits[chosen.digit];
  if (one && shown.onName) detail.append(makeNaming(`${doubt(one)} It is`, one, (label) => shown.onName(one, label)));
  return detail;
}

function makeChip(one, place, index) {
  const share =
    one.label !== undefined ? "by you" : one.accepted ? formatConfidence(one.confidence, ">") : REFUSED[one.reason];
  return make("button", {
    type: "button",
    className: isSure(one) ? "chip" : "chip refused",
    title: doubt(one),
    "aria-expanded": chosen.digit === place,
    "data-line": index,
    "data-digit": place,
    content: [make("b", { content: `${tell(one)}` }), make("span", { content: share })],
  });
}

function doubt(one) {
  return one.accepted ? `Not ${name(one.digit)}?` : "Which digit is it?";
}

function makeStrip(line, index) {
  const canvas = make("canvas", {
    className: "strip",
    role: "img",
    "aria-label": `Line ${index + 1} in the picture`,
    height: STRIP_HEIGHT,
  });
  paintStrip(canvas, shown.picture, line, STRIP_MARGIN);
  return canvas;
}

function isSame(one, other) {
  return one.line === other.line && one.digit === other.digit && one.label === other.label;
}

/** Give a class to what stands for a line, and for one of its digits, in the list and on the picture. */
function mark(className, line, digit) {
  for (const element of [list, boxes].flatMap((one) => [...one.querySelectorAll("[data-line]")])) {
    const { line: ofLine, digit: ofDigit } = element.dataset;
    element.classList.toggle(
      className,
      Number(ofLine) === line && (ofDigit === undefined || Number(ofDigit) === digit),
    );
  }
}

function markChosen() {
  // An only line is always open, and need not be pointed out.
  const isAlone = shown.lines.length === 1 && chosen.digit === null;
  mark("chosen", isAlone ? null : chosen.line, chosen.digit);
}

function choose(line, digit) {
  chosen = { line, digit };
  render();
  const row = list.querySelector(`.row[data-line="${line}"]`);
  const box = boxes.querySelector(
    digit === null ? `.line[data-line="${line}"]` : `.digit[data-line="${line}"][data-digit="${digit}"]`,
  );
  if (box) shown.onChoose(box, row);
}

function read(event) {
  const { line, digit } = event.target.closest?.("[data-line]")?.dataset ?? {};
  return { line: line === undefined ? null : Number(line), digit: digit === undefined ? null : Number(digit) };
}

for (const side of [list, boxes]) {
  const point = (event) => {
    const { line, digit } = read(event);
    mark("marked", line, digit);
  };
  side.addEventListener("pointerover", point);
  side.addEventListener("focusin", point);
  for (const end of ["pointerleave", "focusout"]) side.addEventListener(end, () => mark("marked", null, null));
}

list.addEventListener("click", (event) => {
  if (!event.target.closest(".opener, .chip")) return;
  const { line, digit } = read(event);
  if (digit !== null) choose(line, chosen.digit === digit ? null : digit);
  else choose(chosen.line === line ? null : line, null);
});

boxes.addEventListener("click", (event) => {
  const { line, digit } = read(event);
  if (line !== null) choose(line, digit);
});
