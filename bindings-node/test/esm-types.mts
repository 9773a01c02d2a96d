// The same package by `import` in a module.

import Barque, { type OutputStream } from 'barque';

export const spawned: Promise<OutputStream> = new Barque().spawn('hello', 'cat', { stdin: true });
