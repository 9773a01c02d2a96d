// Does a run for each line of standard input, and prints how many nanoseconds it took: `tests/bench/start.rs`.

import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = join(process.env.BARQUE_PACKAGE, 'dist', 'esm.mjs');
const { Barque } = await import(pathToFileURL(entry));
const barque = new Barque();
for await (const _ of createInterface({ input: process.stdin })) {
  const begin = process.hrtime.bigint();
  await barque.run('testbox', ['exit', '0'], { HostConfig: { NetworkMode: 'none' } });
  console.log(String(process.hrtime.bigint() - begin));
}
