// The command that asks the service what this page asked it.

// A command line of more than this no terminal takes gladly; a larger photo is named instead.
const MAX_INLINE_BYTES = 64 * 1024;

/** Write the command for a POSIX shell. */
export async function writeCommand(url, picture, { fileName = "", needsKey = false } = {}) {
  const isInline = picture.size <= MAX_INLINE_BYTES || !fileName;
  const source = isInline ? "@-" : `@${fileName}`;
  const options = [
    `--header ${quote(`Content-Type: ${picture.type || "application/octet-stream"}`)}`,
    // The key itself is not copied: commands end up in histories and chats.
    ...(needsKey ? ['--header "Authorization: Bearer $DIGITS_API_KEY"'] : []),
    `--data-binary ${quote(source)}`,
  ];
  const curl = `curl --silent --show-error ${options.join(" ")} ${quote(url)}`;
  return isInline ? `printf %s ${quote(await encode(picture))} | base64 --decode | ${curl}` : curl;
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function encode(picture) {
  const bytes = new Uint8Array(await picture.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
