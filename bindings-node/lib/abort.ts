/** Many calls under one `AbortSignal`: it gets one listener, since Node warns of the eleventh. */

const listening = new WeakMap<AbortSignal, Set<() => void>>();

/** Call `abort` once when the signal aborts; what is returned takes that back. */
export function onAbort(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (!signal) return () => {};
  let calls = listening.get(signal);
  if (!calls) {
    calls = new Set();
    listening.set(signal, calls);
    signal.addEventListener('abort', dispatch, { once: true });
  }
  const own = () => abort();
  calls.add(own);
  return () => {
    calls.delete(own);
    if (calls.size === 0 && listening.get(signal) === calls) {
      listening.delete(signal);
      signal.removeEventListener('abort', dispatch);
    }
  };
}

function dispatch(this: AbortSignal): void {
  const calls = listening.get(this);
  listening.delete(this);
  for (const call of calls ?? []) call();
}
