import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as esm from 'barque';
import { place } from './engine.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Run a program in a fresh Node. */
const node = (program, ...options) =>
  spawnSync(process.execPath, [...options, '-e', program], { cwd: here, encoding: 'utf8', timeout: 30_000 });

test('both module systems have the same classes', () => {
  const cjs = require('barque');
  assert.equal(cjs.Barque, esm.Barque);
  assert.equal(cjs.default, esm.default);
  assert.equal(esm.default, esm.Barque);
  const names = Object.keys(cjs).filter((name) => !['default', '__esModule'].includes(name));
  assert.deepEqual(names.filter((name) => !(name in esm)), []);
});

test('loading it starts no thread and opens no descriptor of its own', () => {
  const count = `const fs = require('fs'); const n = () => [fs.readdirSync('/proc/self/task').length, process.listenerCount('exit')];
    const before = n(); require('barque'); console.log(JSON.stringify([before, n()]));`;
  const [before, after] = JSON.parse(node(count).stdout);
  assert.deepEqual(after, before);
});

test('an idle engine does not keep the process alive', () => {
  const idle = `const { Barque } = require('barque'); new Barque(${JSON.stringify(place)}).ping().then(console.log)`;
  const { status, stdout, signal } = node(idle);
  assert.deepEqual([status, signal, stdout], [0, null, 'OK\n']);
});

test('process.exit with a call under way neither hangs nor crashes', () => {
  for (const end of ['process.exit(7)', 'setImmediate(() => process.exit(7))', 'process.nextTick(() => process.exit(7))']) {
    const program = `const { Barque } = require('barque'); const b = new Barque(${JSON.stringify(place)});
      for (let i = 0; i < 50; i++) b.info().catch(() => {}); ${end}`;
    const { status, signal } = node(program);
    assert.deepEqual([status, signal], [7, null]);
  }
});

test('an uncaught rejection of a call ends the process as any other', () => {
  const program = `require('barque').Barque.open({ root: '/proc/nowhere' })`;
  const { status, signal, stderr } = node(program);
  assert.deepEqual([status, signal], [1, null]);
  assert.match(stderr, /BarqueError/);
});

test('eight workers load it, call it and are terminated in between', async () => {
  const program = `const { parentPort, workerData } = require('node:worker_threads'); const { Barque } = require('barque');
    const b = new Barque(workerData); let n = 0;
    (async () => { for (;;) { await b.api.call('container.paint', {}).catch(() => n++); if (n === 20) parentPort.postMessage('ok'); } })();`;
  const workers = Array.from({ length: 8 }, () => new Worker(program, { eval: true, workerData: place }));
  await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))));
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('two hundred short-lived workers do not crash the process', async () => {
  const program = `const { workerData } = require('node:worker_threads'); const { Barque } = require('barque');
    new Barque(workerData).info().catch(() => {}); new Barque(workerData).api.call('container.paint', {}).catch(() => {});`;
  for (let round = 0; round < 20; round++) {
    const workers = Array.from({ length: 10 }, () => new Worker(program, { eval: true, workerData: place }));
    if (round % 2) await Promise.all(workers.map((worker) => worker.terminate()));
    else await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
  }
});

test('a handle that was sent elsewhere is not a handle any more', () => {
  const { native } = require(`${here}/dist/native.js`);
  assert.throws(() => structuredClone(new native.NativeCanceller()).cancel(), TypeError);
});

test('the types hold under tsc --strict for both module systems', () => {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'test/tsconfig.json'], { cwd: here, stdio: 'inherit' });
});

test('libuv’s pool is free while the engine works', () => {
  const program = `const { Barque } = require('barque'); const fs = require('fs/promises'); const b = new Barque(${JSON.stringify(place)});
    let pending = 500; for (let i = 0; i < 500; i++) b.api.call('container.paint', {}).catch(() => pending--);
    const begin = Date.now(); fs.readFile('/etc/passwd').then(() => console.log(Date.now() - begin < 1000))`;
  const { stdout, status } = spawnSync(process.execPath, ['-e', program], {
    cwd: here, encoding: 'utf8', timeout: 30_000, env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  assert.deepEqual([status, stdout], [0, 'true\n']);
});
