// Asks the service, one request at a time; the newest drawing wins.

// While a stroke is being drawn, so that a fast service is not asked sixty times a second.
const MIN_SPACING_MS = 60;
const DEFAULT_RETRY_SECONDS = 2;

/** Why there is no answer, as a sentence for people. */
export class Trouble extends Error {
  constructor(message, { code = null, retrySeconds = null } = {}) {
    super(message);
    this.code = code;
    this.retrySeconds = retrySeconds;
  }
}

export class Reader {
  #waiting = null;
  #inFlight = null;
  #timer = 0;
  #lastSent = -Infinity;

  /** Calls `onAnswer(answer, question)` or `onTrouble(trouble, question)`. */
  constructor(onAnswer, onTrouble) {
    this.key = "";
    this.onAnswer = onAnswer;
    this.onTrouble = onTrouble;
  }

  /** Ask `{path, makeBody, isFinished}` in place of what still waits to be asked. */
  ask(question) {
    this.#waiting = question;
    clearTimeout(this.#timer);
    if (this.#inFlight) return;
    const pause = question.isFinished ? 0 : this.#lastSent + MIN_SPACING_MS - performance.now();
    this.#timer = setTimeout(() => this.#send(), Math.max(0, pause));
  }

  /** Want no answer any more to what was asked. */
  forget() {
    this.#waiting = null;
    clearTimeout(this.#timer);
    this.#inFlight?.abort();
  }

  async #send() {
    const question = this.#waiting;
    const flight = new AbortController();
    this.#waiting = null;
    this.#inFlight = flight;
    this.#lastSent = performance.now();
    let report;
    try {
      const body = await question.makeBody();
      const answer = await this.#post(question.path, body, flight.signal);
      report = () => this.onAnswer(answer, question);
    } catch (error) {
      report = () => this.onTrouble(error instanceof Trouble ? error : new Trouble(`${error}`), question);
    }
    this.#inFlight = null;
    if (!flight.signal.aborted) report();
    if (this.#waiting) this.ask(this.#waiting);
  }

  async #post(path, body, signal) {
    const headers = { "Content-Type": body.type || "application/octet-stream" };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    let response;
    try {
      signal.throwIfAborted();
      response = await fetch(path, { method: "POST", body, headers, signal });
    } catch {
      throw new Trouble("The service cannot be reached. Your drawing is still here.");
    }
    const content = await response.json().catch(() => null);
    if (response.ok && content) return content;
    throw describeRefusal(response, content?.error, "Authorization" in headers);
  }
}

function describeRefusal(response, error, hadKey) {
  const waited = Number(response.headers.get("Retry-After")) || DEFAULT_RETRY_SECONDS;
  const retrySeconds = response.status === 503 ? waited : null;
  if (error?.code === "overloaded") {
    return new Trouble("Many people are drawing at this moment. It tries again by itself.", { retrySeconds });
  }
  if (error?.code === "unauthorized") {
    const said = hadKey ? "That is not the key of this service." : "This service asks for a key.";
    return new Trouble(`${said} Enter it below, and your drawing is read.`, { code: error.code });
  }
  const said = error ? `${error.message} ${error.hint}` : `The service answered ${response.status}. Try again later.`;
  return new Trouble(said, { code: error?.code, retrySeconds });
}
