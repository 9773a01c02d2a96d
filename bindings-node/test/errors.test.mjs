import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { runInNewContext } from 'node:vm';
import { BarqueError, operations, version } from 'barque';
import { barque } from './engine.mjs';

test('an error says what it is about and has dockerode’s names', async () => {
  const error = await barque.api.call('container.paint', {}).then(assert.fail, (error) => error);
  assert(error instanceof BarqueError && error instanceof Error);
  assert.equal(error.name, 'BarqueError');
  assert.equal(error.code, 'NOT_FOUND');
  assert.equal(error.statusCode, 404);
  assert.deepEqual(error.subject, { type: 'operation', id: 'container.paint' });
  assert.deepEqual(error.json, { message: error.message });
  assert.match(error.stack, /errors\.test\.mjs/, 'the stack leads to the caller');
});

test('an unknown field is an error that names its neighbour', async () => {
  await assert.rejects(barque.createContainer({ Image: 'x', HostConfig: { Memroy: 1 } }), {
    code: 'INVALID_ARGUMENT',
    reason: 'unknown_field',
    message: 'unknown field HostConfig.Memroy; did you mean Memory?',
  });
});

test('a missing image is not found', async () => {
  await assert.rejects(barque.run('no-such-image', ['true']), { code: 'NOT_FOUND', statusCode: 404 });
});

test('every kind of the table in the manual is a code', () => {
  const rows = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').split('\n');
  const codes = rows.filter((row) => row.startsWith('| `')).map((row) => row.split('`'));
  for (const row of codes) assert(row.includes(row[1].toUpperCase()) || row.join('').includes('resolves'), row[1]);
});

test('the version is that of the package', () => {
  const packaged = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const cargo = readFileSync(new URL('../../Cargo.toml', import.meta.url), 'utf8');
  assert.equal(version, packaged.version);
  assert.equal(version, /^version = "(.*)"$/m.exec(cargo)[1]);
});

test('the typed operations are those of the engine', () => {
  const typed = readFileSync(new URL('../lib/types.generated.ts', import.meta.url), 'utf8');
  for (const { name, kind } of operations()) assert.match(typed, new RegExp(`'${name}': .* kind: '${kind}'`));
});

const throwing = (what) =>
  new Proxy({}, { [what]: () => { throw new RangeError('trap'); } });

for (const [name, value] of Object.entries({
  'a proxy whose traps throw': { HostConfig: throwing('ownKeys') },
  'a getter that throws': { get HostConfig() { throw new RangeError('getter'); } },
  'a bigint': { HostConfig: { Memory: 1n } },
  'a symbol': { Hostname: Symbol('x') },
  'a function': { Hostname: () => 'x' },
  NaN: { HostConfig: { NanoCpus: NaN } },
  Infinity: { StopTimeout: Infinity },
  'a fraction': { HostConfig: { NanoCpus: 1.5 } },
  'a lone surrogate': { Hostname: 'a\ud800' },
  'a circle': (() => { const o = {}; o.Labels = o; return o; })(),
  'an array for an object': { HostConfig: [1] },
  'a number for text': { Hostname: 3 },
  'a date for a number': { StopTimeout: new Date() },
  'an unknown field from another realm': { HostConfig: Object.create({}, { Nope: { value: 1, enumerable: true } }) },
})) {
  test(`${name} is refused`, async () => {
    // Spreading would call the getter here and not in the library.
    const options = Object.defineProperties({ Image: 'no-such-image' }, Object.getOwnPropertyDescriptors(value));
    await assert.rejects(barque.createContainer(options), (error) => {
      assert.notEqual(error.code, 'NOT_FOUND');
      assert.notEqual(error.code, 'UNSUPPORTED');
      return true;
    });
  });
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

for (const [name, HostConfig] of Object.entries({
  'a revoked proxy': revoked(),
  'a list with holes': { Binds: [, 'a:/b'] }, // eslint-disable-line no-sparse-arrays
  'a typed array for an object': new Uint8Array(4),
  'a thenable for a number': { Memory: { then: (resolve) => resolve(1) } },
  'a boxed bigint': { Memory: Object(1n) },
  'a number beyond 2^53': { Memory: 2 ** 64 },
  'an unknown field of another realm': runInNewContext('({ Memroy: 5 })'),
  'a toJSON that throws': { toJSON: () => { throw new RangeError('toJSON'); } },
})) {
  test(`${name} in a document is refused`, async () => {
    await assert.rejects(barque.createContainer({ Image: 'no-such-image', HostConfig }), (error) => {
      assert.notEqual(error.code, 'NOT_FOUND', error);
      return true;
    });
  });
}

test('what only looks odd is taken for what it is', async () => {
  const missing = { code: 'NOT_FOUND' };
  const realm = runInNewContext('({ Memory: 8 << 20, Binds: ["/tmp:/x"] })');
  await assert.rejects(barque.createContainer({ Image: 'no-such-image', HostConfig: realm }), missing);
  await assert.rejects(barque.createContainer({ Image: 'no-such-image', StopTimeout: -0 }), missing);
  await assert.rejects(barque.createContainer({ Image: 'no-such-image', Hostname: new String('web') }), missing);
  await assert.rejects(barque.createContainer({ Image: 'no-such-image', Labels: { big: 'x'.repeat(1 << 20) } }), missing);
  await assert.rejects(barque.createContainer({ Image: 'x'.repeat(64 << 20) }), BarqueError);
  await assert.rejects(barque.createContainer({ Image: 'no-such-image', [Symbol('x')]: 1 }), missing);
});

test('input whose memory is gone, or shared, is refused or taken as it is', async () => {
  const detached = new Uint8Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const { stdout } = await barque.run('hello', ['cat'], { input: detached });
  assert.equal(stdout.length, 0);
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(97);
  const outcome = await barque.run('hello', ['cat'], { input: shared }).then((r) => r.stdout.toString(), (error) => error);
  assert(outcome === 'aaaa' || outcome instanceof TypeError || outcome instanceof BarqueError, outcome);
  const resizable = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 })).fill(98);
  const run = barque.run('hello', ['cat'], { input: resizable });
  resizable.buffer.resize(0);
  const resized = await run.then((r) => r.stdout.toString(), (error) => error);
  assert(['', 'bbbbbbbb'].includes(resized) || resized instanceof Error, resized);
});

test('a label named __proto__ is a label and changes no prototype', async () => {
  const Labels = JSON.parse('{"__proto__": "x", "constructor": "y"}');
  const before = Reflect.ownKeys(Object.prototype);
  const container = await barque.createContainer({ Image: 'hello', Labels });
  const { Config } = await container.inspect();
  await container.remove();
  for (const [name, value] of Object.entries(Labels)) assert.equal(Object.getOwnPropertyDescriptor(Config.Labels, name)?.value, value);
  assert.deepEqual(Reflect.ownKeys(Object.prototype), before);
});

test('wrong types of operation and request are rejections and not throws', async () => {
  for (const wrong of [undefined, null, 7, {}, Symbol('x')]) {
    await assert.rejects(async () => barque.api.call(wrong, {}));
  }
  await assert.rejects(barque.api.call('container.logs', {}), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(barque.api.stream('system.info', {}), { code: 'INVALID_ARGUMENT' });
});

test('a stream where dockerode has one is told where to go', async () => {
  await assert.rejects(barque.run('hello', ['true'], process.stdout), /\{ stdout, stderr \}/);
});

test('a closed engine says so', async () => {
  const { Barque } = await import('barque');
  const closed = new Barque();
  closed.close();
  await assert.rejects(closed.info(), { code: 'CONFLICT', message: 'the engine is closed' });
});

test('an engine that cannot be opened can be tried again', async () => {
  const { Barque } = await import('barque');
  const nowhere = new Barque({ root: '/proc/nowhere' });
  await assert.rejects(nowhere.info(), BarqueError);
  await assert.rejects(nowhere.info(), BarqueError);
});
