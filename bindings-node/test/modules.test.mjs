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

test('a wait under way keeps the process alive until it is over', () => {
  const program = `const { Barque } = require('barque'); const b = new Barque(${JSON.stringify(place)});
    (async () => { const c = await b.createContainer({ Image: 'hello', Cmd: ['sleep', '1'] }); await c.start();
      c.wait().then(async ({ StatusCode }) => { await c.remove(); console.log(StatusCode); }); })();`;
  const { status, signal, stdout } = node(program);
  assert.deepEqual([status, signal, stdout], [0, null, '0\n']);
});

test('the addon needs of Node its stable interface only', () => {
  const { native } = require(`${here}/dist/native.js`);
  assert(native.NativeCanceller);
  const addon = Object.keys(require.cache).find((path) => path.endsWith('.node'));
  const wanted = execFileSync('nm', ['--dynamic', '--undefined-only', addon], { encoding: 'utf8' });
  assert.match(wanted, / napi_/);
  // C++ of V8's and Node's changes with each version.
  assert.doesNotMatch(wanted, /_ZN2v8|_ZN4node|node_module_register|uv_/);
});

test('a process that was forked has its own engine', async () => {
  const program = `const { Barque } = require('barque'); const b = new Barque(JSON.parse(process.argv[1]));
    b.ping().then((answer) => { b.close(); console.log(answer); });`;
  const engine = new esm.Barque(place);
  await engine.ping();
  const children = Array.from({ length: 4 }, () => spawnSync(process.execPath, ['-e', program, JSON.stringify(place)], { cwd: here, encoding: 'utf8' }));
  for (const { stdout, status } of children) assert.deepEqual([status, stdout], [0, 'OK\n']);
  await engine.ping();
  engine.close();
});

test('workers of a cluster have engines of their own', () => {
  const program = fileURLToPath(new URL('cluster.mjs', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program, JSON.stringify(place)], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(stdout, '0 0 0 OK OK OK OK\n', stderr);
});

test('nothing of it is done synchronously once the loop turns', () => {
  const program = `const { Barque } = require('barque');
    setTimeout(async () => { const b = new Barque(${JSON.stringify(place)}); await b.ping();
      await b.run('hello', ['cat'], { input: 'x' });
      const stream = await b.spawn('hello', ['echo', 'x']); for await (const _ of stream); b.close(); }, 10);`;
  const { status, stderr } = node(program, '--trace-sync-io');
  assert.deepEqual([status, stderr], [0, '']);
});

test('ten thousand calls and handles leave nothing behind in a small heap', () => {
  const program = `const { Barque } = require('barque'); const b = new Barque(${JSON.stringify(place)});
    const calls = async (n) => { for (let i = 0; i < n; i++) { b.getContainer('x' + i); await b.api.call('container.paint', {}).catch(() => {}); } };
    (async () => { await calls(2000); gc(); const heap = process.memoryUsage().heapUsed, rss = process.memoryUsage().rss;
      await calls(10000); gc(); console.log((process.memoryUsage().heapUsed - heap) / 1024 < 512, (process.memoryUsage().rss - rss) >> 20 < 16); })();`;
  const { stdout, status, stderr } = node(program, '--expose-gc', '--max-old-space-size=32');
  assert.deepEqual([status, stdout], [0, 'true true\n'], stderr);
});

test('an answer never comes inside the call, and an end comes once', async () => {
  const engine = new esm.Barque(place);
  let inside = true;
  const answer = engine.ping().then(() => assert.equal(inside, false));
  const refused = engine.api.call('container.paint', {}).catch(() => assert.equal(inside, false));
  inside = false;
  await Promise.all([answer, refused]);
  const seen = [];
  const stream = (await engine.spawn('hello', ['echo', 'ahoy'])).readable();
  for (const event of ['data', 'end', 'error', 'close']) stream.on(event, () => seen.push(event));
  await new Promise((resolve) => stream.once('close', resolve));
  assert.deepEqual(seen, ['data', 'end', 'close']);
  engine.close();
});
