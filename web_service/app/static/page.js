// What belongs together: the sheet, the reader, the answer, and the buttons.

import { showDigit, showNothing, showNumber, showTrouble } from "./answer.js";
import { writeCommand } from "./curl.js";
import { findPhoto, preparePhoto } from "./photo.js";
import { Reader } from "./reader.js";
import { Sheet } from "./sheet.js";

// Relative, so that the page works below a prefix, too.
const PATHS = { one: "predict/image", several: "read" };
// What a header can carry; at anything else fetch fails as if there were no service.
const SENDABLE = /^[\x20-\x7e]+$/;
const find = (selector) => document.querySelector(selector);

const desk = find("#desk");
const paper = find("#paper");
const trouble = find("#trouble");
const keyForm = find("#key");
const command = find("#command");
const fileInput = find("#file");
let retryTimer = 0;

const ink = find("#ink");
const sheet = new Sheet(ink, readSheet);
const reader = new Reader(takeAnswer, takeTrouble);

function readSheet(isFinished) {
  clearTimeout(retryTimer);
  find("#undo").disabled = !sheet.canUndo;
  find("#clear").disabled = find("#copy").disabled = sheet.isEmpty;
  paper.classList.toggle("used", !sheet.isEmpty);
  paper.classList.toggle("unseen-photo", Boolean(sheet.photo && !sheet.photo.bitmap));
  ink.setAttribute("aria-label", sheet.description);
  setNotice("");
  if (sheet.isEmpty) {
    reader.forget();
    hideTrouble();
    showNothing(desk.dataset.mode);
    return;
  }
  reader.ask({ path: PATHS[desk.dataset.mode], makeBody: () => sheet.export(), isFinished });
}

function takeAnswer(answer, question) {
  hideTrouble();
  if (question.path === PATHS.one) showDigit(answer, question.isFinished);
  else showNumber(answer, (box) => sheet.place(box), question.isFinished);
}

function takeTrouble(error) {
  showTrouble();
  sayTrouble(error.message);
  const needsKey = error.code === "unauthorized";
  showKeyForm(needsKey);
  trouble.querySelector("button").hidden = needsKey;
  if (error.retrySeconds) retryTimer = setTimeout(() => readSheet(true), 1000 * error.retrySeconds);
}

function sayTrouble(text) {
  trouble.querySelector("p").textContent = text;
  trouble.hidden = false;
}

function hideTrouble() {
  trouble.hidden = true;
  showKeyForm(false);
}

function showKeyForm(isNeeded) {
  // From a field that goes away the focus would fall to nothing.
  if (!isNeeded && keyForm.contains(document.activeElement)) ink.focus({ preventScroll: true });
  keyForm.hidden = !isNeeded;
}

function takeKey(key) {
  if (!SENDABLE.test(key)) {
    reader.forget();
    sayTrouble("That cannot be a key: expected plain letters, digits and signs, no accents or curly quotes.");
    return;
  }
  reader.key = key;
  readSheet(true);
}

/** Change what is on the sheet altogether: an answer that is still to come would belong to something else. */
function replace(change) {
  reader.forget();
  change();
}

function setMode(mode) {
  desk.dataset.mode = mode;
  replace(() => sheet.setMode(mode));
}

async function takePhoto(file) {
  if (!file) return;
  const photo = await preparePhoto(file);
  if (photo) replace(() => sheet.show(photo));
  else setNotice("That is no picture: PNG, JPEG, WebP, GIF, BMP or TIFF.");
}

async function copyCommand() {
  const url = new URL(PATHS[desk.dataset.mode], document.baseURI).href;
  const options = { fileName: sheet.photo?.name, needsKey: Boolean(reader.key) };
  const text = await writeCommand(url, await sheet.export(), options);
  const area = command.querySelector("textarea");
  area.value = text;
  const note = reader.key ? " Put your key into DIGITS_API_KEY first." : "";
  try {
    // Not there on a page that came over plain HTTP from another machine.
    await navigator.clipboard.writeText(text);
    setNotice(`Copied: paste it into a terminal.${note}`);
  } catch {
    setNotice(`This browser does not let the page copy.${note}`);
    command.hidden = false;
    area.select();
  }
}

function setNotice(text) {
  find("#notice").textContent = text;
  command.hidden = true;
}

function handleKey(event) {
  const isTyping = event.target.matches?.("textarea, input:not([type=radio], [type=file])");
  if (isTyping || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") replace(() => sheet.undo());
  else if (event.key === "Delete" || event.key === "Backspace") replace(() => sheet.clear());
  else return;
  event.preventDefault();
}

find("#undo").addEventListener("click", () => replace(() => sheet.undo()));
find("#clear").addEventListener("click", () => replace(() => sheet.clear()));
find("#choose").addEventListener("click", () => fileInput.click());
find("#copy").addEventListener("click", copyCommand);
find("#modes").addEventListener("change", (event) => setMode(event.target.value));
trouble.querySelector("button").addEventListener("click", () => readSheet(true));
fileInput.addEventListener("change", async () => {
  await takePhoto(fileInput.files[0]);
  // So that the same file can be chosen again.
  fileInput.value = "";
});
keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey(find("#key-field").value.trim());
});
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
