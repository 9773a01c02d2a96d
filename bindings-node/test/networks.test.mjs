// Networks as far as nothing starts in them: these tests run beside the machine's own links and rules.
import assert from 'node:assert/strict';
import test from 'node:test';
import { barque } from './engine.mjs';

test('a network is created, found, joined, left and removed', async () => {
  const IPAM = { Config: [{ Subnet: '10.215.0.0/24' }] };
  const network = await barque.createNetwork({ Name: 'node-web', Internal: true, Labels: { team: 'red' }, IPAM });
  const document = await network.inspect();
  assert.deepEqual(document.IPAM.Config, [{ Subnet: '10.215.0.0/24', Gateway: '10.215.0.1' }]);
  assert.deepEqual([document.Internal, document.Containers], [true, {}]);
  assert.equal((await barque.getNetwork('node-web').inspect()).Id, network.id);
  const listed = await barque.listNetworks({ filters: { label: ['team=red'] } });
  assert.deepEqual(listed.map((row) => row.Name), ['node-web']);
  await assert.rejects(barque.createNetwork({ Name: 'node-web' }), { code: 'ALREADY_EXISTS' });

  const container = await barque.createContainer({ Image: 'hello', HostConfig: { NetworkMode: 'node-web' } });
  const more = await barque.createNetwork({ Name: 'node-more' });
  await more.connect({ Container: container.id });
  await network.disconnect({ Container: container.id });
  assert.deepEqual(Object.keys((await container.inspect()).NetworkSettings.Networks), ['node-more']);
  assert.deepEqual((await barque.pruneNetworks({ dryRun: true })).NetworksDeleted, ['node-web']);
  await container.remove();
  await network.remove();
  await network.remove({ force: true });
  assert.deepEqual((await barque.pruneNetworks()).NetworksDeleted, ['node-more']);
  await assert.rejects(network.inspect(), { code: 'NOT_FOUND' });
});
