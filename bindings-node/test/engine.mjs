/** Every test file has an engine of its own and leaves nothing behind. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Barque } from 'barque';

const base = mkdtempSync(join(tmpdir(), 'barque-node-'));

/** Where this file's engine is. */
export const place = { root: join(base, 'root'), runDirectory: join(base, 'run') };

/** The engine. */
export const barque = new Barque(place);

after(async () => {
  for (const { Id } of await barque.listContainers({ all: true }).catch(() => [])) {
    await barque.getContainer(Id).remove({ force: true });
  }
  barque.close();
  rmSync(base, { recursive: true, force: true });
});

/** How many descriptors this process has. */
export const descriptors = () => readdirSync('/proc/self/fd').length;

/** How many threads. */
export const threads = () => readdirSync('/proc/self/task').length;

/** Wait until something is so. */
export async function until(holds, within = 30_000) {
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not so within ${within} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Wait until no container is left. */
export const gone = () => until(async () => (await barque.listContainers({ all: true })).length === 0, 15_000);

let made;

/** An image with a shell. */
export const busybox = () =>
  (made ??= (async () => {
    const directory = join(base, 'busybox');
    for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(directory, name), { recursive: true });
    const program = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
    copyFileSync(realpathSync(program), join(directory, 'bin/busybox'));
    for (const name of ['sh', 'cat', 'sleep', 'yes', 'seq', 'dd', 'stty']) symlinkSync('busybox', join(directory, 'bin', name));
    writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    await barque.importImage(directory, { repo: 'busybox', changes: ['ENV PATH=/bin'] });
    return 'busybox';
  })());
