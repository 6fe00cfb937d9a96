// Zooms the picture within its frame: buttons, keys, two fingers, or the wheel with Ctrl. Moving it is scrolling.

const LARGEST = 8;
const STEP = 1.5;
// A hand that clicks trembles; pixels of the screen.
const DRAG = 4;

export class Zoom {
  #view;
  #stage;
  #scale = 1;
  #pinch = null;
  #drag = null;

  /** `onChange(scale)` is called whenever the scale changes. */
  constructor(view, stage, onChange) {
    this.#view = view;
    this.#stage = stage;
    this.onChange = onChange;
    this.isOn = false;
    // Chromium sends the pinch of a touchpad as a wheel with Ctrl.
    view.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    view.addEventListener("touchstart", (event) => this.#beginPinch(event), { passive: false });
    view.addEventListener("touchmove", (event) => this.#goOnPinch(event), { passive: false });
    view.addEventListener("touchend", () => (this.#pinch = null));
    view.addEventListener("pointerdown", (event) => this.#beginDrag(event));
    view.addEventListener("pointermove", (event) => this.#goOnDrag(event));
    for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, () => (this.#drag = null));
  }

  get scale() {
    return this.#scale;
  }

  get canGrow() {
    return this.#scale < LARGEST;
  }

  /** Let the picture be zoomed or not; it is whole again. */
  reset(isOn) {
    this.isOn = isOn;
    this.onChange(1);
    // With every point of a stroke there is nothing to do.
    if (this.#scale > 1) this.#set(1);
  }

  /** Zoom in by `steps`, or out if they are negative, about the middle of what is seen. */
  step(steps) {
    this.#set(this.#scale * STEP ** steps);
  }

  /** Scroll so that an element on the picture is seen, without moving the page. */
  reveal(element) {
    const [frame, box] = [this.#view, element].map((one) => one.getBoundingClientRect());
    const isInside =
      box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
    if (isInside) return;
    this.#view.scrollLeft += (box.left + box.right - frame.left - frame.right) / 2;
    this.#view.scrollTop += (box.top + box.bottom - frame.top - frame.bottom) / 2;
  }

  /** Set the scale, and keep what is under a point of the window there. */
  #set(scale, point = null) {
    const frame = this.#view.getBoundingClientRect();
    const { x, y } = point ?? { x: frame.left + frame.width / 2, y: frame.top + frame.height / 2 };
    const before = this.#stage.getBoundingClientRect();
    this.#scale = Math.min(LARGEST, Math.max(1, scale));
    this.#stage.style.setProperty("--zoom", this.#scale);
    this.#view.classList.toggle("zoomed", this.#scale > 1);
    const after = this.#stage.getBoundingClientRect();
    this.#view.scrollLeft += after.left + ((x - before.left) / before.width) * after.width - x;
    this.#view.scrollTop += after.top + ((y - before.top) / before.height) * after.height - y;
    this.onChange(this.#scale);
  }

  #wheel(event) {
    if (!this.isOn || !event.ctrlKey) return;
    event.preventDefault();
    this.#set(this.#scale * Math.exp(-event.deltaY / 200), { x: event.clientX, y: event.clientY });
  }

  #beginPinch(event) {
    if (!this.isOn || event.touches.length !== 2) return;
    if (event.cancelable) event.preventDefault();
    this.#pinch = { spread: measureSpread(event.touches), scale: this.#scale };
  }

  #goOnPinch(event) {
    if (!this.#pinch || event.touches.length !== 2) return;
    if (event.cancelable) event.preventDefault();
    const [one, other] = event.touches;
    const middle = { x: (one.clientX + other.clientX) / 2, y: (one.clientY + other.clientY) / 2 };
    this.#set((this.#pinch.scale * measureSpread(event.touches)) / this.#pinch.spread, middle);
  }

  /** A finger scrolls by itself. */
  #beginDrag(event) {
    const isScrollbar = event.target === this.#view;
    if (this.#scale === 1 || isScrollbar || event.pointerType === "touch" || event.button !== 0) return;
    this.#drag = { x: event.clientX, y: event.clientY, left: this.#view.scrollLeft, top: this.#view.scrollTop };
  }

  #goOnDrag(event) {
    if (!this.#drag) return;
    const [right, down] = [event.clientX - this.#drag.x, event.clientY - this.#drag.y];
    if (Math.hypot(right, down) < DRAG) return;
    // From here on it is no click on what is below the pointer.
    this.#view.setPointerCapture(event.pointerId);
    this.#view.scrollTo(this.#drag.left - right, this.#drag.top - down);
  }
}

function measureSpread([one, other]) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
