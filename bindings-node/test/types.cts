// The same package by `require`.

import barque = require('barque');

export const engine: barque.Barque = new barque.Barque();
export const run: Promise<barque.RunResult> = engine.run('hello', ['true']);
