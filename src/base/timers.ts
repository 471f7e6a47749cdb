/** Waiting as a value that is passed in. Nothing in the core calls `setTimeout` itself. */
export interface Timers {
  /** Resolves after the delay, or rejects with the signal's reason as soon as it aborts. */
  delay(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after the delay unless the returned function was called before. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemTimers: Timers = {
  delay: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(handle);
        reject(signal?.reason);
      };
      const handle = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
  after: (delayMs, callback) => {
    const handle = setTimeout(callback, delayMs);
    return () => clearTimeout(handle);
  },
};
