// Shows what was read, in the moment when it comes.

import { find, make } from "./dom.js";
import { showLines } from "./lines.js";
import { spell } from "./numbers.js";
import { describeDigit, describePage, name, spellOut } from "./words.js";

const NUM_DIGITS = 10;

const answerSection = find("#answer");
const digitLine = find("#digit");
const sentenceLine = find("#sentence");
const announcement = find("#announcement");
const seen = find("#seen canvas");
const INVITATIONS = {
  one: "Your digit is read while you draw it.",
  several: "Your number is read while you write it.",
};

const bars = Array.from({ length: NUM_DIGITS }, (_, digit) => {
  const fill = make("i");
  const share = make("span", { className: "share", content: "0 %" });
  const track = make("span", { className: "track", content: fill });
  const row = make("li", { content: [make("span", { content: `${digit}` }), track, share] });
  find("#bars").append(row);
  return { row, fill, share };
});

/** Show nothing but an invitation. */
export function showNothing(mode) {
  clear(INVITATIONS[mode], "empty");
}

/** Show that a photo is on its way. */
export function showWaiting() {
  clear("Being read…", "waiting");
}

/** Make room for why there is no answer. */
export function showTrouble() {
  clear("", "trouble");
}

function clear(sentence, mood) {
  show("", sentence, mood);
  announcement.textContent = "";
  for (const bar of bars) setBar(bar, 0, false);
  seen.getContext("2d").clearRect(0, 0, seen.width, seen.height);
  seen.setAttribute("aria-label", "Nothing yet");
  showLines([]);
}

/** Show the answer of /predict/image. */
export function showDigit(answer, isFinished) {
  const sentence = describeDigit(answer);
  show(answer.reason === "blank" ? "" : `${answer.digit}`, sentence, answer.accepted ? "sure" : "unsure");
  answer.probabilities.forEach((share, digit) => setBar(bars[digit], share, digit === answer.digit));
  paintSeen(answer.image);
  seen.setAttribute(
    "aria-label",
    answer.reason === "blank" ? "Blank" : `Looks like ${name(answer.digit)} to the networks`,
  );
  if (isFinished) announce(answer.accepted ? `${answer.digit}, ${sentence}` : sentence);
}

/** Show the answer of /read; `lines` are its lines as the picture is shown, `about` is what `showLines` takes. */
export function showPage(answer, lines, about, isFinished) {
  const turned = answer.orientation ? `It was turned by ${answer.orientation} degrees to be read.` : "";
  const sentence = [describePage(answer), turned].filter(Boolean).join(" ");
  show("", sentence, lines.length && lines.every((line) => line.accepted) ? "sure" : "unsure");
  showLines(lines, about);
  if (isFinished) announce([...lines.map((line) => `${spellOut(spell(line))}.`), sentence].join(" "));
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
