import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { barque, gone, place } from './engine.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));

for (const page of ['README.md', 'docs/node.md', 'bindings-node/README.md']) {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  for (const { 1: example, index } of text.matchAll(/^```js\n(.*?)^```/gms)) {
    const line = text.slice(0, index).split('\n').length;
    test(`the example of ${page}:${line} runs`, async () => {
      await barque.ping();
      const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', example], {
        cwd: here,
        encoding: 'utf8',
        timeout: 60_000,
        env: { ...process.env, BARQUE_ROOT: place.root, BARQUE_RUN: place.runDirectory },
      });
      assert.deepEqual([status, signal, stderr], [0, null, '']);
      await gone();
    });
  }
}
