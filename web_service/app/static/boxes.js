// The boxes on the picture: one round each line, along its slope, and one round each digit.

import { make } from "./dom.js";
import { slope } from "./geometry.js";
import { isLineSure, isRead, isSure, tell } from "./numbers.js";

// Shares of the picture: nearer to an edge, a line has its tag on the other side; higher, and there is no room for one.
const EDGE = 0.07;
const FULL = 0.7;

/** Make the boxes of lines; `size` is the picture's. Those of digits lie above those of lines. */
export function makeBoxes(lines, size) {
  const isOnly = lines.length === 1;
  return [
    ...lines.map((line, index) => place(makeLineBox(line, index, size, isOnly), line.box, line.angle, size)),
    ...lines.flatMap((line, index) =>
      line.digits.map((one, position) => {
        const { box, angle } = slope(one.box, line.angle);
        return place(makeDigitBox(one, position, index), box, angle, size);
      }),
    ),
  ];
}

function makeLineBox(line, index, size, isOnly) {
  const figures = line.digits.filter(isRead).map((one) => (isSure(one) ? `${tell(one)}` : `${tell(one)}?`));
  // Where each digit is sure but not the line, the mark stands behind all of them.
  if (!isLineSure(line) && line.digits.every(isSure)) figures.push("?");
  const place = make("span", { className: "index", content: `${index + 1}` });
  const number = make("span", { className: "figures", content: figures.join("") });
  const tag = make("span", { className: "tag", content: [place, number] });
  const box = make("div", { className: "line", "data-line": index, content: tag });
  box.classList.toggle("refused", !isLineSure(line));
  box.classList.toggle("only", isOnly);
  const [left, top, , height] = line.box;
  box.classList.toggle("high", top < EDGE * size.height);
  box.classList.toggle("full", height > FULL * size.height);
  box.classList.toggle("far-left", left < EDGE * size.width);
  return box;
}

function makeDigitBox(one, position, index) {
  const className = isSure(one) ? "digit" : "digit refused";
  return make("div", { className, "data-line": index, "data-digit": position });
}

/** Place an element as a share of the picture, so that it goes with it however large that is shown. */
function place(element, [left, top, width, height], angle, size) {
  element.style.left = `${(100 * left) / size.width}%`;
  element.style.top = `${(100 * top) / size.height}%`;
  element.style.width = `${(100 * width) / size.width}%`;
  element.style.height = `${(100 * height) / size.height}%`;
  if (angle) element.style.transform = `rotate(${angle}deg)`;
  return element;
}
