import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { barque, busybox, gone, place, threads, until } from './engine.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));

test('a result says everything', async () => {
  const result = await barque.run(await busybox(), ['sh', '-c', 'echo out; echo err >&2; exit 5']);
  assert.equal(result.stdout.toString(), 'out\n');
  assert.equal(result.stderr.toString(), 'err\n');
  assert.deepEqual([result.exitCode, result.reason, result.truncated], [5, 'exited', false]);
  assert.match(result.id, /^[0-9a-f]{64}$/);
  await gone();
});

test('options may come without a command', async () => {
  const { exitCode, stdout } = await barque.run('hello', { remove: true, Env: { A: 1 } });
  assert.equal(exitCode, 0);
  assert(stdout.length > 0);
});

test('a run that takes too long is a result with its reason and its output', async () => {
  const begin = Date.now();
  const result = await barque.run(await busybox(), ['sh', '-c', 'echo begun; sleep 60'], { timeout: 500 });
  assert.deepEqual([result.reason, result.exitCode, result.stdout.toString()], ['timeout', 137, 'begun\n']);
  assert(Date.now() - begin < 5000);
  await assert.rejects(barque.run('hello', ['true'], { timeout: 0 }), { code: 'INVALID_ARGUMENT' });
});

const big = Buffer.alloc(4 << 20, 'barque');
for (const [name, make, expected] of [
  ['text', () => 'ahöy', 'ahöy'],
  ['nothing', () => '', ''],
  ['bytes', () => new Uint8Array([97, 98]), 'ab'],
  ['a list', () => ['a', Buffer.from('b')], 'ab'],
  ['a stream', () => Readable.from([Buffer.from('a'), Buffer.from('b')]), 'ab'],
  ['more than any buffer holds', () => big, big.toString()],
]) {
  test(`${name} comes back from cat`, async () => {
    const { stdout } = await barque.run('hello', ['cat'], { input: make(), timeout: 60_000 });
    assert(stdout.toString() === expected, name);
  });
}

test('input that nobody reads does not hold up the end', async () => {
  assert.equal((await barque.run('hello', ['true'], { input: big, timeout: 20_000 })).exitCode, 0);
});

test('input that fails ends the run and rejects', async () => {
  async function* failing() {
    yield 'x';
    throw new RangeError('input');
  }
  await assert.rejects(barque.run('hello', ['cat'], { input: failing() }), RangeError);
  await gone();
});

test('output can be sent elsewhere, at the reader’s pace', async () => {
  let bytes = 0;
  const slow = new Writable({
    highWaterMark: 1,
    write(data, _encoding, done) {
      bytes += data.length;
      setImmediate(done);
    },
  });
  const result = await barque.run(await busybox(), ['dd', 'if=/dev/zero', 'bs=1M', 'count=8'], { stdout: slow });
  assert.deepEqual([bytes, result.stdout.length, result.truncated], [8 << 20, 0, false]);
});

test('output beyond the limit is counted and not kept', async () => {
  const result = await barque.run(await busybox(), ['dd', 'if=/dev/zero', 'bs=1000', 'count=1000'], { limit: 10 });
  assert.deepEqual([result.stdout.length, result.truncated], [10, true]);
});

test('a signal aborts before, during and after', async () => {
  await assert.rejects(barque.run('hello', ['sleep', '60'], { signal: AbortSignal.abort('early') }), {
    name: 'AbortError',
    cause: 'early',
  });
  const begin = Date.now();
  await assert.rejects(barque.run('hello', ['sleep', '60'], { signal: AbortSignal.timeout(300) }), {
    name: 'AbortError',
    code: 'CANCELLED',
  });
  assert(Date.now() - begin < 3000);
  await gone();
  const late = new AbortController();
  assert.equal((await barque.run('hello', ['true'], { signal: late.signal })).exitCode, 0);
  late.abort();
});

test('a signal’s reason is the rejection’s, and who is told of it may call again', async () => {
  const aborting = new AbortController();
  const run = barque.run('hello', ['sleep', '60'], { signal: aborting.signal });
  let inside;
  aborting.signal.addEventListener('abort', () => {
    inside = barque.ping();
    aborting.abort(); // Once more, from inside.
  });
  setTimeout(() => aborting.abort(new RangeError('enough')), 200);
  const error = await run.then(assert.fail, (error) => error);
  assert.equal(error.name, 'AbortError');
  assert(error.cause instanceof RangeError && error.cause.message === 'enough', error.cause);
  assert.equal((await inside).toString(), 'OK');
  await gone();
});

test('a signal aborts at any moment of a start and leaves nothing', async () => {
  for (const after of [0, 1, 2, 4, 8, 16, 32]) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), after);
    await assert.rejects(barque.run('hello', ['sleep', '60'], { signal: abort.signal }), { name: 'AbortError' });
  }
  await gone();
});

test('one signal for many runs leaks no listener and warns of none', async () => {
  const warnings = [];
  const warn = (warning) => warnings.push(warning);
  process.on('warning', warn);
  const abort = new AbortController();
  await Promise.all(Array.from({ length: 50 }, () => barque.run('hello', ['true'], { signal: abort.signal })));
  await sleep(10);
  process.off('warning', warn);
  const { getEventListeners } = await import('node:events');
  assert.equal(getEventListeners(abort.signal, 'abort').length, 0);
  assert.deepEqual(warnings, []);
});

test('a loop that is left lets go of its run', async () => {
  const stream = await barque.spawn(await busybox(), ['sh', '-c', 'echo a; sleep 60']);
  for await (const { data } of stream) {
    assert.equal(data.toString(), 'a\n');
    break;
  }
  assert(stream.closed);
  await gone();
});

test('a stream nobody holds lets go of its run', { skip: !global.gc }, async () => {
  await (async () => void (await barque.spawn('hello', ['sleep', '60'])))();
  await until(async () => {
    global.gc();
    return (await barque.listContainers()).length === 0;
  });
});

test('as Node streams: readable, writable, duplex, pipeline, destroy', async () => {
  const Image = await busybox();
  const cat = await barque.spawn('hello', ['cat'], { stdin: true });
  const pieces = [];
  const collect = pipeline(cat.readable('stdout'), async (source) => {
    for await (const piece of source) pieces.push(piece);
  });
  await pipeline(Readable.from([Buffer.alloc(1 << 20, 'x')]), cat.writable());
  await collect;
  assert.equal(Buffer.concat(pieces).length, 1 << 20);

  const duplex = (await barque.spawn('hello', ['cat'], { stdin: true })).duplex();
  duplex.end('ahoy');
  let text = '';
  for await (const piece of duplex) text += piece;
  assert.equal(text, 'ahoy');

  const endless = (await barque.spawn(Image, ['yes'])).readable();
  await new Promise((resolve) => endless.once('data', resolve));
  endless.destroy();
  await assert.rejects(
    pipeline((await barque.spawn(Image, ['yes'])).readable(), new Writable({ write: (_d, _e, done) => done(new RangeError('full')) })),
    RangeError,
  );
  const closed = await barque.spawn('hello', ['cat'], { stdin: true });
  closed.close();
  closed.close();
  await assert.rejects(closed.write('x'), { code: 'CONFLICT' });
  await closed.end();

  const ended = (await barque.spawn('hello', ['cat'], { stdin: true })).writable();
  ended.end();
  const error = new Promise((resolve) => ended.once('error', resolve));
  ended.write('late');
  assert.equal((await error).code, 'ERR_STREAM_WRITE_AFTER_END');
  const over = await barque.spawn('hello', ['cat'], { stdin: true });
  await over.write('x');
  await over.end();
  await over.end();
  await assert.rejects(over.write('late'), { code: 'CONFLICT' });
  assert.equal(String((await over.collect()).stdout), 'x');
  // Input that nobody ends is no reason to stay.
  const open = await barque.spawn('hello', ['cat'], { stdin: true });
  await open.write('x');
  open.readable().destroy();
  open.close();
  await gone();
});

test('a slow reader of an endless log costs no memory', async () => {
  const stream = await barque.spawn(await busybox(), ['yes']);
  await stream.read();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) {
    await stream.read();
    await sleep(20);
  }
  assert(process.memoryUsage().rss - before < 64 << 20);
  stream.close();
});

test('the event loop goes on while a hundred things wait, start and write', async () => {
  const Image = await busybox();
  const container = await barque.createContainer({ Image: 'hello', Cmd: ['sleep', '60'] });
  await container.start();
  const waits = Array.from({ length: 100 }, () => container.wait());
  await sleep(500);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await Promise.all([
    ...Array.from({ length: 20 }, () => barque.run('hello', ['true'])),
    barque.run(Image, ['dd', 'if=/dev/zero', 'bs=1M', 'count=50']),
  ]);
  delay.disable();
  await container.kill();
  for (const { StatusCode } of await Promise.all(waits)) assert.equal(StatusCode, 137);
  await container.remove();
  // N-01 asks for 10 ms in a release build on a quiet machine.
  assert(delay.percentile(99) / 1e6 < 50, `p99 ${delay.percentile(99) / 1e6} ms`);
});

test('a thousand waits take no threads', async () => {
  const container = await barque.createContainer({ Image: 'hello', Cmd: ['sleep', '60'] });
  await container.start();
  const before = threads();
  const waits = Array.from({ length: 1000 }, () => container.wait());
  let most = 0;
  for (let i = 0; i < 100; i++) {
    await sleep(10);
    most = Math.max(most, threads());
  }
  await container.kill();
  assert.equal(new Set((await Promise.all(waits)).map((exit) => exit.StatusCode)).size, 1);
  await container.remove();
  // Not none: those that begin the waits by turns.
  assert(most <= before + 8, `${before} then ${most}`);
});

test('process.exit, an uncaught exception and a signal with streams open neither hang nor crash nor leave a run', async () => {
  const ends = { 'process.exit(7)': 7, 'throw new Error("x")': 1, 'process.kill(process.pid, "SIGTERM")': 'SIGTERM', 'process.kill(process.pid, "SIGKILL")': 'SIGKILL', 'process.abort = 0; process.exitCode = 7; process.exit()': 7 };
  for (const [end, expected] of Object.entries(ends)) {
    const program = `const { Barque } = require('barque'); const b = new Barque(${JSON.stringify(place)});
      b.run('hello', ['sleep', '60']).catch(() => {});
      b.spawn('hello', ['sleep', '60']).then(async (s) => { s.read().catch(() => {}); setTimeout(() => { ${end} }, 200); });`;
    const { status, signal } = spawnSync(process.execPath, ['-e', program], { cwd: here, encoding: 'utf8', timeout: 30_000 });
    assert.equal(signal ?? status, expected, end);
    await gone();
  }
});

test('a worker that is terminated takes its runs with it', async () => {
  const { Worker } = await import('node:worker_threads');
  const program = `const { parentPort, workerData } = require('node:worker_threads'); const { Barque } = require('barque');
    const b = new Barque(workerData);
    b.run('hello', ['sleep', '60']); b.spawn('hello', ['sleep', '60']).then((s) => { s.read(); parentPort.postMessage('ok'); });`;
  const worker = new Worker(program, { eval: true, workerData: place });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await until(async () => (await barque.listContainers()).length === 2, 30_000);
  await worker.terminate();
  await gone();
});

test('signals go where the process wants them', () => {
  const program = `const { Barque } = require('barque'); const b = new Barque(${JSON.stringify(place)});
    const seen = []; for (const name of ['SIGINT', 'SIGCHLD', 'SIGUSR2']) process.on(name, () => seen.push(name));
    b.spawn('hello', ['sleep', '60']).then(async (stream) => {
      require('node:child_process').spawnSync('true');
      process.kill(process.pid, 'SIGINT'); process.kill(process.pid, 'SIGUSR2');
      await new Promise((resolve) => setTimeout(resolve, 200));
      const { length } = await b.listContainers();
      stream.close(); b.close(); console.log(seen.includes('SIGINT'), seen.includes('SIGUSR2'), seen.includes('SIGCHLD'), length);
    });`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: here, encoding: 'utf8', timeout: 30_000 });
  assert.equal(stdout, 'true true true 1\n', stderr);
});

test('other children of the process end as they would', async () => {
  const { execFile } = await import('node:child_process');
  const runs = Promise.all(Array.from({ length: 10 }, () => barque.run('hello', ['true'])));
  const codes = await Promise.all(
    Array.from({ length: 10 }, (_, n) => new Promise((resolve) => execFile('sh', ['-c', `exit ${n}`], (error) => resolve(error?.code ?? 0)))),
  );
  assert.deepEqual(codes, Array.from({ length: 10 }, (_, n) => n));
  assert((await runs).every(({ exitCode }) => exitCode === 0));
});
