// A photo as it is chosen, dropped or pasted: made ready to be shown and sent.

// The service reads from a few hundred pixels; a phone's dozen megapixels would only take long to send.
const MAX_SIDE = 2048;
const JPEG_QUALITY = 0.92;
// What the service reads.
const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"];

/**
 * Return `{blob, bitmap, name}`: what to send, and what to show of it; null for what is no picture.
 *
 * What the browser cannot show (TIFF) is sent as it is, for the service to read. What is large is reduced first, and
 * what the service cannot read (AVIF) is written anew.
 */
export async function preparePhoto(file) {
  const name = file.name || "picture";
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return isPicture(file) ? { blob: file, bitmap, name } : null;
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && TYPES.includes(file.type)) return { blob: file, bitmap, name };
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { blob: await encode(canvas), bitmap: canvas, name };
}

/** Return the first image of a drop or a paste; where there is none, the first file. */
export function findPhoto(transfer) {
  const files = Array.from(transfer?.files ?? []);
  return files.find(isPicture) ?? files[0];
}

/** What has no type may be one. */
function isPicture(file) {
  return file.type.startsWith("image/") || !file.type;
}

function encode(canvas) {
  // JPEG has no transparency, which is for the service to lay on paper; PNG makes a photo too large to send.
  const type = isOpaque(canvas) ? "image/jpeg" : "image/png";
  return canvas.convertToBlob({ type, quality: JPEG_QUALITY });
}

function isOpaque(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let index = 3; index < data.length; index += 4) if (data[index] < 255) return false;
  return true;
}
