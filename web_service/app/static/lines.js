// The numbers of a page: a list of them, and boxes on the picture. Whichever is pointed at or chosen shows the other.

import { find, make } from "./dom.js";
import { paintStrip, slope } from "./geometry.js";
import { makeNaming } from "./naming.js";
import { isLineSure, isRead, isSure, measureConfidence, spell, tell } from "./numbers.js";
import { formatConfidence, name, spellOut } from "./words.js";

const REFUSED = { ambiguous: "unsure", not_a_digit: "no digit?", blank: "blank" };
const STRIP_HEIGHT = 112;
const STRIP_MARGIN = 0.15;
// Nearer to an edge than this share of the picture, a line has its tag on the other side.
const EDGE = 0.07;

const list = find("#lines");
const boxes = find("#boxes");
let shown = { lines: [] };
let chosen = { line: null, digit: null };

/**
 * Show lines, as `numbers.js` knows them.
 *
 * `size` is the picture's, `picture` what to cut a line from, if anything. `onChoose(box)` is called with the box of what
 * was chosen, `onName(one, label)` with a digit and the person's word for it.
 */
export function showLines(lines, about) {
  shown = { lines, ...about };
  chosen = { line: lines.length === 1 ? 0 : null, digit: null };
  render();
}

/** Show the lines anew, after the person named a digit. */
export function render() {
  const { lines, size } = shown;
  const focus = list.contains(document.activeElement) ? { ...document.activeElement.dataset } : null;
  list.classList.toggle("single", lines.length === 1);
  list.replaceChildren(...lines.map(makeRow));
  boxes.replaceChildren(
    ...lines.map((line, index) => makeLineBox(line, index, size)),
    ...lines.flatMap((line, index) => line.digits.map((one, place) => makeDigitBox(one, place, line, index, size))),
  );
  markChosen();
  if (focus) [...list.querySelectorAll("button")].find((one) => isSame(one.dataset, focus))?.focus({ preventScroll: true });
}

function makeRow(line, index) {
  const isSingle = shown.lines.length === 1;
  const isOpen = chosen.line === index;
  const share = isLineSure(line) ? formatConfidence(measureConfidence(line), ">") : "unsure";
  const number = make("span", { className: "number", content: line.digits.filter(isRead).map(makeFigure) });
  const row = make("li", { className: isLineSure(line) ? "row" : "row refused", "data-line": index });
  if (isSingle) {
    number.style.setProperty("--length", spell(line).length);
    row.append(number);
  } else {
    const content = [make("span", { className: "index", content: `${index + 1}` }), number, make("span", { className: "share", content: share })];
    const said = `Line ${index + 1}: ${spellOut(spell(line))}, ${isLineSure(line) ? `${formatConfidence(measureConfidence(line))} sure` : "unsure"}`;
    row.append(make("button", { type: "button", className: "opener", "aria-expanded": isOpen, "aria-label": said, "data-line": index, content }));
  }
  if (isOpen) row.append(makeDetail(line, index, isSingle));
  return row;
}

function makeFigure(one) {
  return make("span", { className: isSure(one) ? "" : "refused", content: `${tell(one)}` });
}

function makeDetail(line, index, isSingle) {
  const chips = line.digits.map((one, place) => make("li", { content: makeChip(one, place, index) }));
  const detail = make("div", { className: "detail" });
  if (shown.picture && !isSingle) detail.append(makeStrip(line, index));
  detail.append(make("ol", { className: "digits", "aria-label": isSingle ? "Digits found, left to right" : `Digits of line ${index + 1}`, content: chips }));
  const one = line.digits[chosen.digit];
  if (one && shown.onName) detail.append(makeNaming(`${doubt(one)} It is`, one, (label) => shown.onName(one, label)));
  return detail;
}

function makeChip(one, place, index) {
  const share = one.label !== undefined ? "by you" : one.accepted ? formatConfidence(one.confidence, ">") : REFUSED[one.reason];
  const isChosen = chosen.digit === place;
  const content = [make("b", { content: `${tell(one)}` }), make("span", { content: share })];
  const title = doubt(one);
  return make("button", { type: "button", className: isSure(one) ? "chip" : "chip refused", title, "aria-expanded": isChosen, "data-line": index, "data-digit": place, content });
}

function doubt(one) {
  return isSure(one) ? `Not ${name(tell(one))}?` : "Which digit is it?";
}

function makeStrip(line, index) {
  const canvas = make("canvas", { className: "strip", role: "img", "aria-label": `Line ${index + 1} in the picture`, height: STRIP_HEIGHT });
  paintStrip(canvas, shown.picture, line, STRIP_MARGIN);
  return canvas;
}

function makeLineBox(line, index, size) {
  const figures = line.digits.filter(isRead).map((one) => make("span", { content: isSure(one) ? `${tell(one)}` : `${tell(one)}?` }));
  const isSureOfAll = isLineSure(line);
  // Where each digit is sure but not the line, the mark stands behind all of them.
  if (!isSureOfAll && line.digits.every(isSure)) figures.push("?");
  const number = make("span", { className: "figures", content: figures });
  const tag = make("span", { className: "tag", content: [make("span", { className: "index", content: `${index + 1}` }), number] });
  const box = make("div", { className: "line", "data-line": index, content: tag });
  box.classList.toggle("refused", !isSureOfAll);
  box.classList.toggle("only", shown.lines.length === 1);
  box.classList.toggle("high", line.box[1] < EDGE * size.height);
  box.classList.toggle("far-left", line.box[0] < EDGE * size.width);
  return place(box, line.box, line.angle, size);
}

function makeDigitBox(one, position, line, index, size) {
  const box = make("div", { className: isSure(one) ? "digit" : "digit refused", "data-line": index, "data-digit": position });
  const { box: sides, angle } = slope(one.box, line.angle);
  return place(box, sides, angle, size);
}

function place(element, [left, top, width, height], angle, size) {
  const shares = { left: left / size.width, top: top / size.height, width: width / size.width, height: height / size.height };
  for (const [side, share] of Object.entries(shares)) element.style[side] = `${100 * share}%`;
  if (angle) element.style.transform = `rotate(${angle}deg)`;
  return element;
}

function isSame(one, other) {
  return one.line === other.line && one.digit === other.digit && one.label === other.label;
}

/** Give a class to what stands for a line, and for one of its digits, in the list and on the picture. */
function mark(className, line, digit) {
  for (const element of [list, boxes].flatMap((one) => [...one.querySelectorAll("[data-line]")])) {
    const { line: ofLine, digit: ofDigit } = element.dataset;
    element.classList.toggle(className, Number(ofLine) === line && (ofDigit === undefined || Number(ofDigit) === digit));
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
  const box = boxes.querySelector(digit === null ? `.line[data-line="${line}"]` : `.digit[data-line="${line}"][data-digit="${digit}"]`);
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
