import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { barque, busybox, gone } from './engine.mjs';

const output = (lines) => lines.map((line) => line.step?.output ?? '').join('');

function context() {
  const directory = mkdtempSync(join(tmpdir(), 'barque-context-'));
  mkdirSync(join(directory, 'inner'));
  writeFileSync(join(directory, 'inner/file'), 'content\n');
  writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nARG WHO\nCOPY inner /inner\nRUN echo "to $WHO"; echo $WHO > /who\n');
  return directory;
}

test('a directory is built, and an archive of it comes from the cache', async () => {
  await busybox();
  const directory = context();
  try {
    const lines = [];
    const options = { t: ['who:1', 'who:2'], buildargs: { WHO: 'world' }, labels: { a: 'b' } };
    const image = await barque.buildImage(directory, { ...options, onProgress: (line) => lines.push(line) });
    assert.match(output(lines), /to world\n/);
    const { Id, RepoTags, Config } = await image.inspect();
    assert.deepEqual([RepoTags, Config.Labels], [['who:1', 'who:2'], { a: 'b' }]);
    const archive = join(directory, 'context.tar');
    execFileSync('tar', ['-C', directory, '-cf', archive, 'Dockerfile', 'inner']);
    for (const form of [archive, readFileSync(archive), [readFileSync(archive)]]) {
      const again = await barque.buildImage(form, options);
      assert.equal((await again.inspect()).Id, Id);
    }
    await image.remove({ force: true });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a context is files in memory', async () => {
  await busybox();
  const deep = `${'deep/'.repeat(30)}file`;
  const files = {
    Dockerfile: 'FROM busybox\nCOPY . /all\nRUN grep db /etc/hosts > /hosts\n',
    [deep]: 'deep\n',
    bytes: Uint8Array.of(255, 10),
    'ünï': 'here',
    gone: 'x',
    '.dockerignore': 'gone\n',
  };
  const limits = { extrahosts: ['db:10.9.8.7'], pidsLimit: 40, memory: '64m', shmsize: '1m' };
  const image = await barque.buildImage(files, { t: 'files', ...limits });
  const command = ['sh', '-c', `cat /all/${deep} /all/bytes /all/ünï; ls /all; cat /hosts`];
  const { stdout } = await barque.run('files', command, { remove: true });
  assert.match(stdout.toString('latin1'), /^deep\n\xff\nhereDockerfile\nbytes\ndeep\n[^g]*10\.9\.8\.7/);
  assert.deepEqual(await barque.checkBuild({ Dockerfile: 'FROM busybox\n' }), []);
  await image.remove({ force: true });
});

test('a step that fails says where, and an aborted build leaves nothing', async () => {
  await busybox();
  const lines = [];
  const build = (dockerfileText, options) => barque.buildImage(undefined, { dockerfileText, ...options });
  await assert.rejects(build('FROM busybox\nRUN echo sorry; exit 3\n', { onProgress: (line) => lines.push(line) }), {
    code: 'INVALID_ARGUMENT',
    message: /Dockerfile:2: process .* exit code: 3/,
  });
  assert.match(output(lines), /sorry\n/);
  assert.equal(lines.at(-1).status, 'Failed');
  const left = await build('FROM busybox\nRUN echo half > /left; exit 3\n', { keepFailed: true }).catch((error) => error);
  assert.deepEqual([left.reason, left.subject.type], ['build_step_failed', 'image']);
  const { stdout } = await barque.run(left.subject.id, ['cat', '/left'], { remove: true });
  assert.equal(stdout.toString(), 'half\n');
  await barque.getImage(left.subject.id).remove();
  const abort = new AbortController();
  const onProgress = (line) => line.step?.output?.includes('begun') && abort.abort();
  await assert.rejects(build('FROM busybox\nRUN echo begun; sleep 600\n', { abortSignal: abort.signal, onProgress }), { name: 'AbortError' });
  await gone();
});

test('a step is given secrets and the image is not', async () => {
  await busybox();
  const dockerfileText = 'FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN test "$TOKEN" = canary\n';
  const image = await barque.buildImage(undefined, { dockerfileText, secrets: { token: { Value: 'canary' } } });
  assert.doesNotMatch(JSON.stringify(await image.inspect()), /canary/);
  await image.remove({ force: true });
  await assert.rejects(barque.buildImage(undefined, { dockerfileText, secrets: { x: {} } }), { message: /it needs a Path or a Value/ });
});
