/** Every test file has an engine of its own and leaves nothing behind. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
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
export async function until(holds, within = 5000) {
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not so within ${within} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
