// The sheet of paper: strokes or a photo on it, every step can be taken back.

import { turnBitmap } from "./geometry.js";

// In units of the paper, which are the pixels of the picture that is sent.
const HEIGHT = 256;
const WIDTHS = { one: 256, several: 640 };
const PENS = { one: 17, several: 12 };
const EMPTY = { strokes: [], photo: null };

export class Sheet {
  #canvas;
  #mode = "one";
  #state = EMPTY;
  #earlier = [];
  #pointer = null;
  #lastPenTime = -Infinity;
  #isPaintDue = false;

  /** Calls `onChange(isFinished)` at every change; while a stroke is being drawn it is not finished. */
  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.onChange = onChange;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#goOn(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    new ResizeObserver(() => this.#fit()).observe(canvas);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => this.#repaint());
    }
  }

  get isEmpty() {
    return this.#state.strokes.length === 0 && !this.#state.photo;
  }

  get canUndo() {
    return this.#earlier.length > 0;
  }

  get photo() {
    return this.#state.photo;
  }

  /** Whether the browser can show what is on the sheet. */
  get isSeen() {
    return !this.photo || Boolean(this.photo.bitmap);
  }

  /** Whether the sheet is the photo, whose size it has; then nothing is drawn on it. */
  get isPage() {
    return this.#mode === "several" && Boolean(this.photo?.bitmap);
  }

  /** The size of the sheet: the pixels of the picture that is sent, but turned as it is shown. */
  get size() {
    if (!this.isPage) return { width: WIDTHS[this.#mode], height: HEIGHT };
    const { width, height } = this.#bitmap;
    return { width, height };
  }

  /** What is read, as it is shown, if it can be: a bitmap or a canvas. */
  get picture() {
    return this.photo ? this.#bitmap : this.#paintPicture();
  }

  /** Say in words what is on the sheet. */
  get description() {
    const { strokes, photo } = this.#state;
    if (photo) return `Drawing area with the photo ${photo.name}`;
    const count = strokes.length === 1 ? "one stroke" : `${strokes.length} strokes`;
    return strokes.length ? `Drawing area with ${count}` : "Drawing area, empty";
  }

  /** Take the paper for one digit or for several; what is on it is put away. */
  setMode(mode) {
    this.#mode = mode;
    this.#earlier = [];
    this.#state = this.photo ? { ...EMPTY, photo: this.photo } : EMPTY;
    this.#changed();
  }

  undo() {
    if (!this.canUndo) return;
    this.#pointer = null;
    this.#state = this.#earlier.pop();
    this.#changed();
  }

  clear() {
    if (!this.isEmpty) this.#become(EMPTY);
  }

  /** Show a photo, `{blob, bitmap, name}`, in place of what was there. */
  show(photo) {
    this.#become({ ...EMPTY, photo });
  }

  /** Return what to send: dark ink on white, whatever the colours on the screen, or the photo itself. */
  async export() {
    return this.photo ? this.photo.blob : this.#paintPicture().convertToBlob({ type: "image/png" });
  }

  /** Show the page's photo turned clockwise, in degrees; it is sent as before. Return whether that changed anything. */
  turn(degrees) {
    const { photo } = this;
    if (degrees === (photo.turn ?? 0)) return false;
    photo.turn = degrees;
    photo.turned = turnBitmap(photo.bitmap, degrees);
    this.#repaint();
    return true;
  }

  #become(state) {
    this.#earlier.push(this.#state);
    this.#pointer = null;
    this.#state = state;
    this.#changed();
  }

  #changed(isFinished = true) {
    this.#repaint();
    this.onChange(isFinished);
  }

  #begin(event) {
    if (event.button !== 0 || this.isPage) return;
    if (event.pointerType === "pen") this.#lastPenTime = event.timeStamp;
    if (this.#pointer) {
      // The hand lies down before the pen does, and leaves a stroke of its own.
      if (event.pointerType !== "pen" || this.#pointer.type !== "touch") return;
      this.undo();
    }
    if (event.pointerType === "touch" && event.timeStamp - this.#lastPenTime < 1000) return;
    event.preventDefault();
    this.#canvas.setPointerCapture(event.pointerId);
    const points = [this.#locate(event)];
    this.#earlier.push(this.#state);
    this.#state = { strokes: [...this.#state.strokes, points], photo: null };
    this.#pointer = { id: event.pointerId, type: event.pointerType, points };
    this.#changed(false);
  }

  #goOn(event) {
    if (event.pointerId !== this.#pointer?.id) return;
    if (event.pointerType === "pen") this.#lastPenTime = event.timeStamp;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#pointer.points.push(...(events.length ? events : [event]).map((one) => this.#locate(one)));
    this.#changed(false);
  }

  #end(event) {
    if (event.pointerId !== this.#pointer?.id) return;
    this.#pointer = null;
    this.#changed();
  }

  #cancel(event) {
    if (event.pointerId === this.#pointer?.id) this.undo();
  }

  #locate(event) {
    const box = this.#canvas.getBoundingClientRect();
    const scale = HEIGHT / box.height;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  #fit() {
    const box = this.#canvas.getBoundingClientRect();
    // More than the photo's own pixels show nothing more, however far it is zoomed.
    const scale = this.isPage ? Math.min(devicePixelRatio, this.size.height / box.height) : devicePixelRatio;
    this.#canvas.width = Math.round(box.width * scale);
    this.#canvas.height = Math.round(box.height * scale);
    this.#paint();
  }

  /** Paint with the next frame, once, however many changes there are before it. */
  #repaint() {
    if (this.#isPaintDue) return;
    this.#isPaintDue = true;
    requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#isPaintDue = false;
    const context = this.#canvas.getContext("2d");
    const scale = this.#canvas.height / this.size.height;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    if (this.#bitmap) this.#paintPhoto(context, this.#bitmap);
    this.#paintStrokes(context, getComputedStyle(this.#canvas).color);
  }

  get #bitmap() {
    const { photo } = this;
    return (this.#mode === "several" && photo?.turned) || photo?.bitmap;
  }

  #paintPhoto(context, bitmap) {
    const { width, height } = this.size;
    const scale = Math.min(width / bitmap.width, height / bitmap.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(
      bitmap,
      (width - bitmap.width * scale) / 2,
      (height - bitmap.height * scale) / 2,
      bitmap.width * scale,
      bitmap.height * scale,
    );
  }

  #paintPicture() {
    const canvas = new OffscreenCanvas(WIDTHS[this.#mode], HEIGHT);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.#paintStrokes(context, "black");
    return canvas;
  }

  #paintStrokes(context, colour) {
    context.strokeStyle = colour;
    context.lineWidth = PENS[this.#mode];
    context.lineCap = context.lineJoin = "round";
    for (const points of this.#state.strokes) {
      context.beginPath();
      traceStroke(context, points);
      context.stroke();
    }
  }
}

/** Trace a smooth line: each point bends it, and it goes through the middles between them. */
function traceStroke(context, points) {
  const [first] = points;
  const last = points.at(-1);
  context.moveTo(first.x, first.y);
  for (let index = 1; index < points.length - 1; index++) {
    const [here, next] = [points[index], points[index + 1]];
    context.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
  }
  // A line of no length would leave no dot.
  context.lineTo(last.x + 0.01, last.y);
}
