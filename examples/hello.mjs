// Run the image that barque carries inside itself, and show what it says.

import { Barque } from 'barque';

const barque = new Barque();
const result = await barque.run('hello', [], { HostConfig: { NetworkMode: 'none' } });
process.stdout.write(result.stdout);
process.exitCode = result.exitCode;
