// A photo as it is chosen, dropped or pasted: made ready to be shown and sent.

// The service reads from a few hundred pixels; a phone's dozen megapixels would only take long to send.
const MAX_SIDE = 2048;
const JPEG_QUALITY = 0.92;

/**
 * Return `{blob, bitmap, name}`: what to send, and what to show of it.
 *
 * What the browser cannot show (TIFF) is sent as it is, for the service to read. What is large is reduced first; that
 * also makes a JPEG of what a phone's browser can show and the service cannot read.
 */
export async function preparePhoto(file) {
  const name = file.name || "picture";
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap || Math.max(bitmap.width, bitmap.height) <= MAX_SIDE) return { blob: file, bitmap, name };
  const scale = MAX_SIDE / Math.max(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
  return { blob, bitmap: canvas, name };
}

/** Return the first image of a drop or a paste. */
export function findPhoto(transfer) {
  return Array.from(transfer?.files ?? []).find((file) => file.type.startsWith("image/") || !file.type);
}
