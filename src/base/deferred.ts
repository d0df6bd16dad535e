export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T | PromiseLike<T>): void;
  reject(error: unknown): void;
}

/** A promise with its two ends. Its rejection may be ignored: the news travels as an event too. */
export function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>["resolve"];
  let reject!: Deferred<T>["reject"];
  const promise = new Promise<T>((resolves, rejects) => {
    resolve = resolves;
    reject = rejects;
  });
  promise.catch(noop);
  return { promise, resolve, reject };
}

/** Does nothing, for whoever has to be given something to call. */
export function noop(): void {}
