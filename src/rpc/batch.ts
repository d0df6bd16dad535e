import type { AnswerFrame } from "./frames.ts";

/** The answers to the requests of one message. */
export class Batch {
  /** Whether there is no room to hold its answers, so that its requests are refused. */
  readonly isRefused: boolean;
  readonly #answers: AnswerFrame[] = [];
  #missing: number;

  /** @param requests the number of requests that are answered */
  constructor(requests: number, isRefused: boolean) {
    this.#missing = requests;
    this.isRefused = isRefused;
  }

  /** Adds an answer, and returns all of them once none is missing. */
  add(answer: AnswerFrame): AnswerFrame[] | undefined {
    this.#answers.push(answer);
    this.#missing--;
    return this.#missing === 0 ? this.#answers : undefined;
  }
}
