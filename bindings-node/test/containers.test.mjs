import assert from 'node:assert/strict';
import test from 'node:test';
import { demuxStream } from 'barque';
import { PassThrough } from 'node:stream';
import { barque, busybox, descriptors, gone, until } from './engine.mjs';

test('a container lives as dockerode’s', async () => {
  const container = await barque.createContainer({ Image: 'hello', Cmd: ['sleep', '60'], name: 'life', Labels: { a: 'b' } });
  assert.equal((await container.inspect()).State.Status, 'created');
  await container.start();
  await container.start();
  const inspect = await barque.getContainer('life').inspect();
  assert.equal(inspect.State.Status, 'running');
  assert.equal(inspect.Id, container.id);
  assert.deepEqual((await barque.listContainers()).map((row) => row.Id), [container.id]);
  assert.deepEqual((await barque.listContainers({ filters: { label: ['a=b'] } })).length, 1);
  assert.deepEqual((await barque.listContainers({ filters: '{"label":["a=c"]}' })).length, 0);
  await container.kill({ signal: 'SIGKILL' });
  const exit = await container.wait();
  assert.deepEqual([exit.StatusCode, exit.Reason], [137, 'killed']);
  await container.stop();
  await container.remove();
  await assert.rejects(container.inspect(), { code: 'NOT_FOUND', statusCode: 404, subject: { type: 'container', id: container.id } });
});

test('a name that is taken is a conflict', async () => {
  const first = await barque.createContainer({ Image: 'hello', name: 'taken' });
  await assert.rejects(barque.createContainer({ Image: 'hello', name: 'taken' }), { statusCode: 409 });
  await first.remove();
});

test('logs are bytes, or a stream that ends with the container', async () => {
  const Image = await busybox();
  const container = await barque.createContainer({ Image, Cmd: ['sh', '-c', 'echo a; echo b >&2; sleep 0.3; echo -n c'] });
  await container.start();
  const followed = await container.logs({ follow: true });
  const { stdout, stderr } = await followed.collect();
  assert.deepEqual([stdout.toString(), stderr.toString()], ['a\nc', 'b\n']);
  assert.equal((await container.logs({ stderr: false })).toString(), 'a\nc');
  assert.equal((await container.logs({ stdout: false })).toString(), 'b\n');
  assert.equal((await container.logs({ stderr: false, tail: 1 })).toString(), 'c');
  assert.match((await container.logs({ stderr: false, timestamps: true })).toString(), /^\d{4}-\d\d-\d\dT.* a\n/);
  assert.equal((await container.logs({ since: new Date(Date.now() + 60_000) })).length, 0);
  await container.remove();
});

test('an attached container can be talked to, and its input ended', async () => {
  const container = await barque.createContainer({ Image: 'hello', Cmd: ['cat'], OpenStdin: true, StdinOnce: true });
  await container.start();
  const stream = await container.attach({ stdin: true });
  await stream.write('one\n');
  assert.equal((await stream.read()).data.toString(), 'one\n');
  await stream.write(Buffer.from('two\n'));
  await stream.end();
  assert.equal((await stream.collect()).stdout.toString(), 'two\n');
  assert.equal((await container.wait()).StatusCode, 0);
  await container.remove();
});

test('outputs come apart and slow writables are waited for', async () => {
  const Image = await busybox();
  const stream = await barque.spawn(Image, ['sh', '-c', 'echo out; echo err >&2; seq 1 1000']);
  const [out, err] = [new PassThrough({ highWaterMark: 16 }), new PassThrough()];
  const seen = { out: '', err: '' };
  out.on('data', (data) => (seen.out += data));
  err.on('data', (data) => (seen.err += data));
  await demuxStream(stream, out, err);
  assert.equal(seen.err, 'err\n');
  assert.equal(seen.out.split('\n').length, 1002);
  assert.equal(stream.exit.StatusCode, 0);
});

test('a terminal has the size it is given', async () => {
  const Image = await busybox();
  const container = await barque.createContainer({ Image, Tty: true, Cmd: ['sh', '-c', 'sleep 0.3; stty size'] });
  await container.start();
  await container.resize({ h: 33, w: 44 });
  assert.match((await (await container.logs({ follow: true })).collect()).stdout.toString(), /33 44/);
  await container.remove();
});

test('a wait can be aborted and leaves the container as it is', async () => {
  const container = await barque.createContainer({ Image: 'hello', Cmd: ['sleep', '60'] });
  await container.start();
  const reason = new Error('enough');
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), 50);
  await assert.rejects(container.wait({ abortSignal: abort.signal }), { name: 'AbortError', code: 'CANCELLED', cause: reason });
  assert.equal((await container.inspect()).State.Running, true);
  await container.remove({ force: true });
});

test('a stop can be aborted', async () => {
  const Image = await busybox();
  const container = await barque.createContainer({ Image, Cmd: ['sh', '-c', "trap '' TERM; while :; do sleep 1; done"] });
  await container.start();
  const begin = Date.now();
  await assert.rejects(container.stop({ abortSignal: AbortSignal.timeout(300) }), { name: 'AbortError' });
  assert(Date.now() - begin < 3000);
  await container.remove({ force: true });
});

test('images are taken from paths, bytes and streams', async () => {
  const { mkdtempSync, writeFileSync, createReadStream, rmSync, mkdirSync } = await import('node:fs');
  const directory = mkdtempSync('/tmp/barque-image-');
  try {
    mkdirSync(`${directory}/root/etc`, { recursive: true });
    writeFileSync(`${directory}/root/etc/greeting`, 'ahoy');
    const { execFileSync } = await import('node:child_process');
    execFileSync('tar', ['-C', `${directory}/root`, '-cf', `${directory}/root.tar`, '.']);
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(`${directory}/root.tar`);
    const forms = {
      path: `${directory}/root.tar`,
      directory: `${directory}/root`,
      url: new URL(`file://${directory}/root.tar`),
      bytes,
      stream: createReadStream(`${directory}/root.tar`),
      pieces: [bytes.subarray(0, 100), bytes.subarray(100)],
    };
    for (const [name, form] of Object.entries(forms)) {
      const image = await barque.importImage(form, { repo: `form-${name}`, tag: 'v1', changes: ['LABEL a=b'] });
      const inspect = await image.inspect();
      assert.deepEqual([inspect.RepoTags, inspect.Config.Labels], [[`form-${name}:v1`], { a: 'b' }]);
      await barque.getImage(`form-${name}:v1`).tag({ repo: 'other', tag: 'v2' });
      await barque.getImage('other:v2').remove();
      assert((await barque.getImage(`form-${name}:v1`).history()).length > 0);
      await image.remove({ force: true });
    }
    const before = await barque.listImages();
    await assert.rejects(barque.loadImage(Buffer.from('junk'.repeat(1000))));
    await assert.rejects(barque.loadImage(`${directory}/nonesuch`), /nonesuch/);
    assert.deepEqual(await barque.listImages(), before);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the system is described', async () => {
  const { version } = await import('barque');
  assert.equal((await barque.version()).Version, version);
  assert.equal((await barque.info()).ServerVersion, version);
  assert((await barque.df()).LayersSize >= 0);
});

test('nothing is left of it', async () => {
  await gone();
  for (let i = 0; i < 3; i++) await barque.run('hello', ['true']);
  const before = descriptors();
  for (let i = 0; i < 30; i++) await barque.run('hello', ['true']);
  await until(() => descriptors() <= before);
});
