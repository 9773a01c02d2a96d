/** A process and three workers of its cluster, each with an engine of its own: what each is answered, and how it ends. */

import cluster from 'node:cluster';
import { Barque } from 'barque';

const barque = new Barque(JSON.parse(process.argv[2]));
const answer = await barque.ping();
barque.close();
if (cluster.isWorker) {
  process.send(answer, () => process.disconnect());
} else {
  const said = [answer];
  for (let n = 0; n < 3; n++) cluster.fork().on('message', (message) => said.push(message));
  let left = 3;
  cluster.on('exit', (_worker, code) => {
    said.push(code);
    if (--left === 0) console.log(said.sort().join(' '));
  });
}
