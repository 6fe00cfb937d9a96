// Boxes of a picture: left, top, width and height in its pixels. Angles are degrees, clockwise.

// Steeper, and an upright box says too little about the slanted one within it.
const STEEPEST = 30;
// Of a digit that is cut out: paper around it, as a share of its longer side, and the most pixels of a side.
const MARGIN = 0.12;
const LARGEST_CUT = 256;

/** Turn lines with a picture, whose size is that before the turn; `turn` is 0, 90, 180 or 270. */
export function turnLines(lines, turn, size) {
  const isAside = turn % 180 !== 0;
  return lines.map((line) => ({
    ...line,
    box: moveMiddle(line.box, turn, size),
    angle: ((line.angle + turn + 180) % 360) - 180,
    digits: line.digits.map((one) => {
      const [left, top, width, height] = moveMiddle(one.box, turn, size);
      if (!isAside) return { ...one, box: [left, top, width, height] };
      return { ...one, box: [left + (width - height) / 2, top + (height - width) / 2, height, width] };
    }),
  }));
}

function moveMiddle([left, top, width, height], turn, size) {
  const [x, y] = [left + width / 2, top + height / 2];
  const [newX, newY] = {
    0: [x, y],
    90: [size.height - y, x],
    180: [size.width - x, size.height - y],
    270: [y, size.width - x],
  }[turn];
  return [newX - width / 2, newY - height / 2, width, height];
}

/** Return the box along a slope that an upright box surrounds, and the angle by which it is turned about its middle. */
export function slope([left, top, width, height], angle) {
  if (Math.abs(angle) > STEEPEST) return { box: [left, top, width, height], angle: 0 };
  const [cos, sin] = [Math.cos, Math.sin].map((of) => of((Math.abs(angle) * Math.PI) / 180));
  const [along, across] = [width * cos - height * sin, height * cos - width * sin].map(
    (side) => side / (cos ** 2 - sin ** 2),
  );
  // A box that the picture's edge cuts off surrounds none.
  const [inner, outer] = [Math.max(along, width / 4), Math.max(across, height / 4)];
  return { box: [left + (width - inner) / 2, top + (height - outer) / 2, inner, outer], angle };
}

/** Turn a bitmap or a canvas clockwise. */
export function turnBitmap(bitmap, turn) {
  const isAside = turn % 180 !== 0;
  const canvas = new OffscreenCanvas(isAside ? bitmap.height : bitmap.width, isAside ? bitmap.width : bitmap.height);
  const context = canvas.getContext("2d");
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate((turn * Math.PI) / 180);
  context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
  return canvas;
}

/** Paint the part of a picture within a turned box, upright, as high as the canvas. */
export function paintStrip(canvas, picture, { box: [left, top, width, height], angle }, margin) {
  const scale = canvas.height / (height * (1 + 2 * margin));
  canvas.width = Math.round((width + 2 * margin * height) * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.rotate((-angle * Math.PI) / 180);
  context.drawImage(picture, -left - width / 2, -top - height / 2);
}

/** Cut a box out of a picture, or take all of it, as a PNG of a digit with paper around it. */
export function cutOut(picture, box) {
  const margin = box ? MARGIN * Math.max(box[2], box[3]) : 0;
  const [left, top, width, height] = box ?? [0, 0, picture.width, picture.height];
  const [x, y] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const right = Math.min(picture.width, left + width + margin);
  const bottom = Math.min(picture.height, top + height + margin);
  const scale = Math.min(1, LARGEST_CUT / Math.max(right - x, bottom - y));
  const canvas = new OffscreenCanvas(Math.ceil((right - x) * scale), Math.ceil((bottom - y) * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, x, y, right - x, bottom - y, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/png" });
}
