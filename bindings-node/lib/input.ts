/** Where an image comes from: a path, bytes or a stream, as the engine's `Input` document. */

import { open, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Input } from './types.generated';

/** A path, the archive's bytes, or a stream of them. */
export type ImageSource = string | URL | Uint8Array | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array>;

/** Files in memory: what is in each, by path. Text is in UTF-8. */
export type Files = Record<string, string | Uint8Array>;

export function isFiles(source: ImageSource | Files): source is Files {
  return typeof source === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(source));
}

/** These files as a tar archive (POSIX.1-1988, and GNU's form of long names). */
export function archive(files: Files): Uint8Array {
  const pieces: Buffer[] = [];
  const add = (name: Buffer, kind: string, data: Buffer): void => {
    const header = Buffer.alloc(512);
    name.copy(header, 0, 0, 100);
    header.write('0000644', 100);
    header.write('0000000', 108);
    header.write('0000000', 116);
    header.write(data.length.toString(8).padStart(11, '0'), 124);
    header.write('00000000000', 136);
    header.write(`        ${kind}`, 148);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((sum, byte) => sum + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    pieces.push(header, data, Buffer.alloc((512 - (data.length % 512)) % 512));
  };
  for (const [path, text] of Object.entries(files)) {
    const name = Buffer.from(path);
    if (name.length > 100) add(Buffer.from('././@LongLink'), 'L', Buffer.concat([name, Buffer.alloc(1)]));
    add(name, '0', Buffer.from(text as Uint8Array));
  }
  return Buffer.concat([...pieces, Buffer.alloc(1024)]);
}

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
