export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T | PromiseLike<T>): void;
  reject(error: unknown): void;
}

/** Creates a promise with its functions. Its rejection is never unhandled, because an event reports the failure too. */
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

/** Does nothing. */
export function noop(): void {}
