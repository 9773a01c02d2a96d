/** A volume: dockerode's `Volume`. A name and nothing else, so it is never out of date. */

import type { Volume as VolumeDocument } from './types.generated';
import type { Abortable, Api } from './api';

/** A volume. */
export class Volume {
  /** Its name. */
  readonly name: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, name: string) {
    this.#api = api;
    this.name = name;
  }

  /** Everything about it; `Mountpoint` is the directory with its files. */
  inspect(options: Abortable = {}): Promise<VolumeDocument> {
    return this.#api.call('volume.inspect', { Name: this.name }, options);
  }

  /** Remove it and all that is in it; `force`: that it is gone already is fine. */
  async remove(options: { force?: boolean } & Abortable = {}): Promise<void> {
    await this.#api.call('volume.remove', { Name: this.name, Force: options.force ?? false }, options);
  }
}
