// The digits that a person named, kept in this browser alone: `{label, blob}` by a number of their own.

import { zip } from "./zip.js";

const STORE = "digits";

let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("own digits", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function run(mode, work) {
  const store = (await open()).transaction(STORE, mode).objectStore(STORE);
  return new Promise((resolve, reject) => {
    const request = work(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Keep a digit, in place of the one with this key if there is a key; return its key. */
export function keepDigit(label, blob, key) {
  return run("readwrite", (store) => store.put({ label, blob }, key));
}

export function dropDigit(key) {
  return run("readwrite", (store) => store.delete(key));
}

export function dropDigits() {
  return run("readwrite", (store) => store.clear());
}

export function countDigits() {
  return run("readonly", (store) => store.count());
}

/** Pack all of them into folders 0/ to 9/, as `keras.utils.image_dataset_from_directory` reads them. */
export async function packDigits() {
  const kept = await run("readonly", (store) => store.getAll());
  const files = await Promise.all(
    kept.map(async ({ label, blob }, index) => ({
      name: `${label}/${`${index + 1}`.padStart(4, "0")}.png`,
      bytes: new Uint8Array(await blob.arrayBuffer()),
    })),
  );
  // A folder that is missing would shift the labels of those behind it.
  const folders = Array.from({ length: 10 }, (_, label) => ({ name: `${label}/` }));
  return zip([...folders, ...files]);
}
