import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import test from 'node:test';
import { barque } from './engine.mjs';

const me = { username: 'me', password: 'secret' };

test('credentials are given or asked for', async () => {
  const wanted = `Basic ${Buffer.from('me:secret').toString('base64')}`;
  const server = createServer((request, response) => {
    const known = request.headers.authorization === wanted;
    response.writeHead(known ? 200 : 401, known ? {} : { 'WWW-Authenticate': 'Basic realm="test"' });
    response.end(JSON.stringify(known ? { results: [{ name: 'web', star_count: 3 }] } : {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const term = `127.0.0.1:${server.address().port}/web`;
    const asked = [];
    const who = async (name) => {
      asked.push(name);
      return me;
    };
    for (const authconfig of [me, who, () => me]) {
      const [found] = await barque.searchImages(term, { authconfig });
      assert.deepEqual([found.name, found.star_count], ['web', 3]);
    }
    assert.deepEqual(asked, [term]);
    for (const authconfig of [undefined, () => undefined]) {
      await assert.rejects(barque.searchImages(term, { authconfig }), { reason: 'no_credentials' });
    }
    const authconfig = () => {
      throw new RangeError('nobody');
    };
    await assert.rejects(barque.searchImages(term, { authconfig }), RangeError);
    await assert.rejects(barque.pull(term, { authconfig }), RangeError);
    await assert.rejects(barque.getImage(term).push({ authconfig }), RangeError);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
