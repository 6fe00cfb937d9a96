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
    const about = [[2, UTF8_NAMES], [2, 0], [2, 0], [2, DATE], [4, computeCrc(bytes)], [4, bytes.length], [4, bytes.length]];
    const header = pack([[4, FILE], [2, VERSION], ...about, [2, path.length], [2, 0]]);
    bodies.push(header, path, bytes);
    entries.push(pack([[4, ENTRY], [2, VERSION], [2, VERSION], ...about, [2, path.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), path);
    offset += header.length + path.length + bytes.length;
  }
  const size = entries.reduce((sum, part) => sum + part.length, 0);
  const end = pack([[4, END], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]]);
  return new Blob([...bodies, ...entries, end], { type: "application/zip" });
}

/** Write numbers, `[number of bytes, value]`, the lowest byte first. */
function pack(fields) {
  return Uint8Array.from(fields.flatMap(([size, value]) => Array.from({ length: size }, (_, index) => (value >>> (8 * index)) & 0xff)));
}
