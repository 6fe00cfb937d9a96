// A zip archive of files that are compressed already (PNG), by PKWARE's APPNOTE: stored, not packed.

const [FILE, ENTRY, END] = [0x04034b50, 0x02014b50, 0x06054b50];
const VERSION = 20;
const UTF8_NAMES = 0x0800;
// 1 January 1980, the earliest day that the format knows: when a digit was kept is nobody's business.
const DATE = 0x0021;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function computeCrc(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Pack `[{name, bytes}]`; a name that ends in a slash is a folder. */
export function zip(files) {
  const [bodies, entries] = [[], []];
  let offset = 0;
  for (const { name, bytes = new Uint8Array() } of files) {
    const path = new TextEncoder().encode(name);
    // Flags, method, time, date, checksum, and the size, packed and not.
    const about = [UTF8_NAMES, 0, 0, DATE, computeCrc(bytes), bytes.length, bytes.length];
    const header = pack("42" + "2222444" + "22", FILE, VERSION, ...about, path.length, 0);
    bodies.push(header, path, bytes);
    const place = [path.length, 0, 0, 0, 0, 0, offset];
    entries.push(pack("422" + "2222444" + "2222244", ENTRY, VERSION, VERSION, ...about, ...place), path);
    offset += header.length + path.length + bytes.length;
  }
  const size = entries.reduce((sum, part) => sum + part.length, 0);
  const end = pack("42222442", END, 0, 0, files.length, files.length, size, offset, 0);
  return new Blob([...bodies, ...entries, end], { type: "application/zip" });
}

/** Write numbers in as many bytes as `sizes` says for each, the lowest byte first. */
function pack(sizes, ...values) {
  const bytes = values.flatMap((value, place) =>
    Array.from({ length: Number(sizes[place]) }, (_, index) => (value >>> (8 * index)) & 0xff),
  );
  return Uint8Array.from(bytes);
}
