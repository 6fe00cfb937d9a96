// What was read, in words.

const NOTHING = {
  blank: "There is nothing to read yet.",
  no_digits: "Something is written here, but none of it looks like a digit.",
  too_small: "The digits are too small to be read. Take the photo from nearer, or send a part of it.",
};

export function name(digit) {
  return digit === 8 ? "an 8" : `a ${digit}`;
}

export function formatConfidence(confidence, above = "more than") {
  return confidence > 0.9995 ? `${above} 99.9 %` : `${(100 * confidence).toFixed(1)} %`;
}

/** Digit by digit, so that a screen reader does not say "one million". */
export function spellOut(number) {
  return [...number].join(" ");
}

export function count(number, one, several) {
  return number === 1 ? one : `${number} ${several}`;
}

/** Say what a single digit is, of an answer of /predict/image. */
export function describeDigit({ digit, confidence, probabilities, reason }) {
  if (reason === "blank") return NOTHING.blank;
  if (reason === "not_a_digit") return `This does not look like a digit; the closest is ${name(digit)}.`;
  if (reason === "ambiguous") {
    const [first, second] = probabilities.map((share, value) => [share, value]).sort((a, b) => b[0] - a[0]);
    return `Hard to tell: it could be ${name(first[1])} or ${name(second[1])}.`;
  }
  return `${formatConfidence(confidence)} sure`;
}

/** Say what a page is, of an answer of /read, or why there is nothing on it. */
export function describePage({ lines, reason }) {
  if (!lines.length) return NOTHING[reason] ?? NOTHING.no_digits;
  const digits = lines.flatMap((line) => line.digits);
  const size = count(digits.length, "one digit", "digits");
  const guessed = digits.filter((one) => one.reason === "ambiguous").length;
  const leftOut = digits.filter((one) => one.reason && one.reason !== "ambiguous").length;
  const doubtful = lines.filter((line) => !line.accepted && line.digits.every((one) => one.accepted)).length;
  const doubts = [
    guessed && count(guessed, "One digit is a guess.", "digits are guesses."),
    leftOut && count(leftOut, "One sign is no digit and is left out.", "signs are no digits and are left out."),
    doubtful && lines.length === 1 && "The number is doubtful.",
    doubtful && lines.length > 1 && count(doubtful, "One line is doubtful.", "lines are doubtful."),
  ].filter(Boolean);
  if (lines.length === 1) return doubts.join(" ") || size;
  return [`${lines.length} lines, ${size}.`, ...doubts].join(" ");
}
