// What belongs together: the sheet, the reader, the answer, and the buttons.

import { showDigit, showNothing, showPage, showTrouble, showWaiting } from "./answer.js";
import { writeCommand } from "./curl.js";
import { find } from "./dom.js";
import { cutOut, turnLines } from "./geometry.js";
import { render } from "./lines.js";
import { nameDigit, showDoubt, showOwn } from "./naming.js";
import { writeCsv, writeText } from "./numbers.js";
import { findPhoto, preparePhoto } from "./photo.js";
import { Reader } from "./reader.js";
import { copyText, hideByHand, saveFile } from "./share.js";
import { Sheet } from "./sheet.js";
import { hideTrouble, setUpTrouble, tellTrouble } from "./trouble.js";
import { name } from "./words.js";
import { Zoom } from "./zoom.js";

// Relative, so that the page works below a prefix, too. What is drawn is one line: to search for lines would take the
// time in which a stroke is seen being read.
const PATHS = { one: "predict/image", several: "read?lines=1", page: "read" };
// Wider pictures have the numbers below them, not beside them.
const WIDE = 2.2;

const desk = find("#desk");
const paper = find("#paper");
const fileInput = find("#file");
let retryTimer = 0;
// The lines that are shown, with what the person put right.
let lines = [];

const ink = find("#ink");
const sheet = new Sheet(ink, readSheet);
const reader = new Reader(takeAnswer, takeTrouble);
const zoom = new Zoom(find("#view"), find("#stage"), showZoom);

function readSheet(isFinished) {
  clearTimeout(retryTimer);
  find("#undo").disabled = !sheet.canUndo;
  find("#clear").disabled = find("#copy").disabled = sheet.isEmpty;
  paper.classList.toggle("used", !sheet.isEmpty);
  paper.classList.toggle("unseen-photo", !sheet.isSeen);
  ink.setAttribute("aria-label", sheet.description);
  setNotice("");
  fitPaper();
  find("#all").hidden = !sheet.photo;
  if (sheet.isEmpty || sheet.photo) {
    takeLines([]);
    showDoubt(null);
  }
  if (sheet.photo) showWaiting();
  if (sheet.isEmpty) {
    reader.forget();
    hideTrouble();
    showNothing(desk.dataset.mode);
    return;
  }
  reader.ask({ path: findPath(), makeBody: () => sheet.export(), isFinished });
}

function findPath() {
  const { mode } = desk.dataset;
  return PATHS[mode === "several" && sheet.photo ? "page" : mode];
}

/** Give the paper the form of what is on it. */
function fitPaper() {
  const { width, height } = sheet.size;
  document.body.classList.toggle("page", sheet.isPage);
  document.body.classList.toggle("wide", width > WIDE * height);
  desk.style.setProperty("--aspect", width / height);
  find("#zoom").hidden = !sheet.isPage;
  zoom.reset(sheet.isPage);
}

function showZoom(scale) {
  find("#zoom output").textContent = `${Math.round(100 * scale)} %`;
  find("#zoom-out").disabled = scale === 1;
  find("#zoom-in").disabled = !zoom.canGrow;
  // What scrolls is reached with the keyboard, what does not is no stop.
  const view = find("#view");
  view.tabIndex = scale > 1 ? 0 : -1;
  view.role = scale > 1 ? "group" : null;
  view.ariaLabel = scale > 1 ? "The picture, which the arrow keys move" : null;
}

function takeAnswer(answer, question) {
  hideTrouble();
  if (question.path === PATHS.one) {
    showDigit(answer, question.isFinished);
    showDoubt(sheet.isSeen && answer.reason !== "blank" ? answer : null, keep);
    return;
  }
  const sent = sheet.photo?.bitmap;
  if (sheet.isPage && sheet.turn(answer.orientation)) fitPaper();
  takeLines(sheet.isPage ? turnLines(answer.lines, answer.orientation, sent) : answer.lines);
  const about = {
    size: sheet.isSeen && sheet.size,
    picture: sheet.isPage && sheet.picture,
    onChoose: reveal,
    onName: sheet.isSeen && keepInLine,
  };
  showPage(answer, lines, about, question.isFinished);
}

function takeLines(found) {
  lines = found;
  find("#exports").hidden = !lines.length;
}

function reveal(box, row) {
  zoom.reveal(box);
  // Beside the picture the list can move without taking the picture out of sight.
  if (getComputedStyle(find("#drawing")).position === "sticky") row.scrollIntoView({ block: "nearest" });
}

async function keepInLine(one, label) {
  await keep(one, label);
  render();
}

/** Keep a digit under the person's name for it. */
async function keep(one, label) {
  const { picture } = sheet;
  try {
    await nameDigit(one, label, () => cutOut(picture, one.box));
    setNotice(one.label === undefined ? "Taken back." : `Kept as ${name(label)}, in this browser alone.`);
  } catch {
    setNotice("This browser keeps nothing for this page.");
  }
}

function takeTrouble(error) {
  showTrouble();
  takeLines([]);
  showDoubt(null);
  tellTrouble(error);
  if (error.retrySeconds) retryTimer = setTimeout(() => readSheet(true), 1000 * error.retrySeconds);
}

function takeKey(key) {
  reader.forget();
  if (key === null) return;
  reader.key = key;
  readSheet(true);
}

/** Change what is on the sheet altogether: an answer that is still to come would belong to something else. */
function replace(change) {
  reader.forget();
  change();
}

function setMode(mode) {
  find(`#modes [value="${mode}"]`).checked = true;
  desk.dataset.mode = mode;
  replace(() => sheet.setMode(mode));
}

async function takePhoto(file) {
  if (!file) return;
  const photo = await preparePhoto(file);
  if (photo) replace(() => sheet.show(photo));
  else setNotice("That is no picture: PNG, JPEG, WebP, GIF, BMP or TIFF.");
}

async function takeSample() {
  const path = find("#sample").dataset.src;
  const response = await fetch(path).catch(() => null);
  if (!response?.ok) {
    setNotice("The sample cannot be loaded. Try again later.");
    return;
  }
  const blob = await response.blob();
  if (desk.dataset.mode !== "several") setMode("several");
  await takePhoto(new File([blob], path.split("/").at(-1), { type: blob.type }));
}

async function copyCommand() {
  const url = new URL(findPath(), document.baseURI).href;
  const options = { fileName: sheet.photo?.name, needsKey: Boolean(reader.key) };
  const text = await writeCommand(url, await sheet.export(), options);
  const note = reader.key ? " Put your key into DIGITS_API_KEY first." : "";
  await copy(text, "The command, to copy by hand", `Copied: paste it into a terminal.${note}`, note);
}

function copyNumbers() {
  const done = lines.length === 1 ? "Copied: the number." : `Copied: ${lines.length} numbers, a line each.`;
  return copy(writeText(lines), "The numbers, to copy by hand", done);
}

async function copy(text, title, done, note = "") {
  setNotice("");
  setNotice((await copyText(text, title)) ? done : `This browser does not let the page copy.${note}`, false);
}

function setNotice(text, isAlone = true) {
  find("#notice").textContent = text;
  if (isAlone) hideByHand();
}

function handleKey(event) {
  const isTyping = event.target.matches?.("textarea, input:not([type=radio], [type=file])");
  if (isTyping || event.altKey) return;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && !event.shiftKey && event.key.toLowerCase() === "z") replace(() => sheet.undo());
  else if (event.key === "Delete" || event.key === "Backspace") replace(() => sheet.clear());
  else if (sheet.isPage && !isCommand && "+-".includes(event.key)) zoom.step(event.key === "+" ? 1 : -1);
  else return;
  event.preventDefault();
}

const ACTIONS = {
  undo: () => replace(() => sheet.undo()),
  clear: () => replace(() => sheet.clear()),
  choose: () => fileInput.click(),
  sample: takeSample,
  copy: copyCommand,
  "copy-text": copyNumbers,
  csv: () => saveFile(new Blob([writeCsv(lines)], { type: "text/csv" }), "numbers.csv"),
  "zoom-in": () => zoom.step(1),
  "zoom-out": () => zoom.step(-1),
  all: () => setMode("several"),
};
for (const [id, act] of Object.entries(ACTIONS)) find(`#${id}`).addEventListener("click", act);
find("#modes").addEventListener("change", (event) => setMode(event.target.value));
fileInput.addEventListener("change", async () => {
  await takePhoto(fileInput.files[0]);
  // So that the same file can be chosen again.
  fileInput.value = "";
});
setUpTrouble(() => readSheet(true), takeKey);
addEventListener("keydown", handleKey);
addEventListener("paste", (event) => takePhoto(findPhoto(event.clipboardData)));
addEventListener("dragover", (event) => {
  event.preventDefault();
  paper.classList.add("awaiting");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) paper.classList.remove("awaiting");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  paper.classList.remove("awaiting");
  takePhoto(findPhoto(event.dataTransfer));
});

// A browser that goes back to the page may have kept the choice.
setMode(find("#modes input:checked").value);
showOwn().catch(() => {});
