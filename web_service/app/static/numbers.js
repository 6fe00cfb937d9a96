// What the lines of a page say, with what the person put right: `label` is the person's word for a digit.

/** Whether a digit is part of its line's number, as the service counts it. */
export function isRead(one) {
  return one.label !== undefined || one.accepted || one.reason === "ambiguous";
}

export function tell(one) {
  return one.label ?? one.digit;
}

export function isSure(one) {
  return one.label !== undefined || one.accepted;
}

export function spell(line) {
  return line.digits.filter(isRead).map(tell).join("");
}

/** Whether a line can be relied on; a person's word clears the doubt about a digit, and so about its line. */
export function isLineSure(line) {
  return line.accepted || (line.digits.some((one) => !one.accepted) && line.digits.every(isSure));
}

/** The confidence of the line's least certain digit. */
export function measureConfidence(line) {
  return Math.min(
    1,
    ...line.digits.filter((one) => isRead(one) && one.label === undefined).map((one) => one.confidence),
  );
}

export function writeText(lines) {
  return lines.map(spell).join("\n");
}

/** Write a CSV file as RFC 4180 has it. */
export function writeCsv(lines) {
  const rows = lines.map((line, index) => [
    index + 1,
    spell(line),
    measureConfidence(line).toFixed(4),
    isLineSure(line),
  ]);
  return [["line", "number", "confidence", "accepted"], ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}
