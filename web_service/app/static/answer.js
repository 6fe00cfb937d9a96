// Shows what was read, in the moment when it comes.

const NUM_DIGITS = 10;
const find = (selector) => document.querySelector(selector);

const answerSection = find("#answer");
const digitLine = find("#digit");
const sentenceLine = find("#sentence");
const announcement = find("#announcement");
const seen = find("#seen canvas");
const digitList = find("#digits");
const boxes = find("#boxes");
const INVITATIONS = {
  one: "Your digit is read while you draw it.",
  several: "Your number is read while you write it.",
};

const bars = Array.from({ length: NUM_DIGITS }, (_, digit) => {
  const [name, track, fill, share] = [make("span", `${digit}`), make("span"), make("i"), make("span", "0 %")];
  track.className = "track";
  share.className = "share";
  track.append(fill);
  const row = make("li");
  row.append(name, track, share);
  find("#bars").append(row);
  return { row, fill, share };
});

/** Show nothing but an invitation. */
export function showNothing(mode) {
  show("", INVITATIONS[mode], "empty");
  announcement.textContent = "";
  for (const bar of bars) setBar(bar, 0, false);
  seen.getContext("2d").clearRect(0, 0, seen.width, seen.height);
  seen.setAttribute("aria-label", "Nothing yet");
  digitList.replaceChildren();
  boxes.replaceChildren();
}

/** Make room for why there is no answer. */
export function showTrouble() {
  showNothing("one");
  answerSection.dataset.mood = "trouble";
}

/** Show the answer of /predict/image. */
export function showDigit(answer, isFinished) {
  const sentence = describeDigit(answer);
  show(answer.reason === "blank" ? "" : `${answer.digit}`, sentence, answer.accepted ? "sure" : "unsure");
  answer.probabilities.forEach((share, digit) => setBar(bars[digit], share, digit === answer.digit));
  paintSeen(answer.image);
  seen.setAttribute("aria-label", answer.reason === "blank" ? "Blank" : `Looks like ${name(answer.digit)} to the networks`);
  if (isFinished) announce(answer.accepted ? `${answer.digit}, ${sentence}` : sentence);
}

/** Show the answer of /read; `place` turns a box into percent of the sheet. */
export function showNumber(answer, place, isFinished) {
  const sentence = describeNumber(answer);
  show(answer.number, sentence, answer.digits.some((one) => !one.accepted) ? "unsure" : "sure");
  digitLine.style.setProperty("--length", Math.max(1, answer.number.length));
  digitList.replaceChildren(...answer.digits.map(makeChip));
  boxes.replaceChildren(...answer.digits.map((one) => makeBox(one, place(one.box))));
  if (isFinished) announce(answer.number ? `${[...answer.number].join(" ")}. ${sentence}` : sentence);
}

function show(text, sentence, mood) {
  digitLine.textContent = text;
  sentenceLine.textContent = sentence;
  answerSection.dataset.mood = mood;
}

/** A screen reader hears what the finished stroke changed, not every step to it. */
function announce(text) {
  if (announcement.textContent !== text) announcement.textContent = text;
}

function describeDigit({ digit, confidence, probabilities, reason }) {
  if (reason === "blank") return "There is nothing to read yet.";
  if (reason === "not_a_digit") return `This does not look like a digit; the closest is ${name(digit)}.`;
  if (reason === "ambiguous") {
    const [first, second] = probabilities.map((share, value) => [share, value]).sort((a, b) => b[0] - a[0]);
    return `Hard to tell: it could be ${name(first[1])} or ${name(second[1])}.`;
  }
  return `${formatConfidence(confidence)} sure`;
}

function describeNumber({ digits }) {
  if (!digits.length) return "No digits found yet.";
  const guessed = digits.filter((one) => one.reason === "ambiguous").length;
  const leftOut = digits.filter((one) => !one.accepted).length - guessed;
  const sentences = [
    guessed && (guessed === 1 ? "One digit is a guess." : `${guessed} digits are guesses.`),
    leftOut && (leftOut === 1 ? "One sign is no digit and is left out." : `${leftOut} signs are no digits and are left out.`),
  ].filter(Boolean);
  return sentences.join(" ") || (digits.length === 1 ? "one digit" : `${digits.length} digits`);
}

const REFUSED = { ambiguous: "unsure", not_a_digit: "no digit?", blank: "blank" };

function makeChip(one) {
  const chip = make("li");
  const share = make("span", one.accepted ? formatConfidence(one.confidence, ">") : REFUSED[one.reason]);
  chip.append(make("b", `${one.digit}`), share);
  chip.classList.toggle("refused", !one.accepted);
  return chip;
}

function makeBox(one, percents) {
  const box = make("div");
  box.append(make("span", one.accepted ? `${one.digit}` : one.reason === "ambiguous" ? `${one.digit}?` : "?"));
  box.classList.toggle("refused", !one.accepted);
  for (const [side, percent] of Object.entries(percents)) box.style[side] = `${percent}%`;
  return box;
}

function setBar({ row, fill, share }, probability, isBest) {
  fill.style.transform = `scaleX(${probability})`;
  share.textContent = `${Math.round(100 * probability)} %`;
  row.classList.toggle("best", isBest);
}

/** Ink in the page's own colour: opacity is how much of it there is. */
function paintSeen(image) {
  const context = seen.getContext("2d");
  const pixels = context.createImageData(seen.width, seen.height);
  image.flat().forEach((ink, index) => pixels.data.set([255, 255, 255, ink], 4 * index));
  context.putImageData(pixels, 0, 0);
}

function formatConfidence(confidence, above = "more than") {
  return confidence > 0.9995 ? `${above} 99.9 %` : `${(100 * confidence).toFixed(1)} %`;
}

function name(digit) {
  return digit === 8 ? "an 8" : `a ${digit}`;
}

function make(tag, text = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
