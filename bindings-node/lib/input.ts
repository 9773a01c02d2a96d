/** Where an image comes from: a path, bytes or a stream, as the engine's `Input` document. */

import { open, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Input } from './types.generated';

/** A path, the archive's bytes, or a stream of them. */
export type ImageSource = string | URL | Uint8Array | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array>;

/** Use the `Input` document for a source. A path is the engine's to open; anything else goes through a file without a name. */
export async function withInput<T>(source: ImageSource, use: (input: Input) => Promise<T>): Promise<T> {
  if (typeof source === 'string') return use({ Path: resolve(source) });
  if (source instanceof URL) {
    const { fileURLToPath } = await import('node:url');
    return use({ Path: fileURLToPath(source) });
  }
  const path = join(tmpdir(), `barque-${randomUUID()}`);
  const spool = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    if (source instanceof Uint8Array) {
      await spool.writeFile(source);
    } else {
      for await (const piece of source) await spool.writeFile(piece);
    }
    // The engine reads from where the descriptor stands, which Node has no call to move back; an open through /proc stands
    // at the beginning.
    const again = await open(`/proc/self/fd/${spool.fd}`, 'r');
    try {
      return await use({ Fd: again.fd });
    } finally {
      await again.close();
    }
  } finally {
    await spool.close();
  }
}
