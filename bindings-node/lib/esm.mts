/** The same module for `import`. It is one instance with that of `require`, so that `instanceof` holds between them. */

import { Barque } from './index.js';

export * from './index.js';
export default Barque;
