/** A network: dockerode's `Network`. A name or an id and nothing else, so it is never out of date. */

import type { NetworkConnect, NetworkDisconnect, Network as NetworkDocument } from './types.generated';
import type { Abortable, Api } from './api';

/** A network. */
export class Network {
  /** Its name or id. */
  readonly id: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** Everything about it, and the running containers in it. */
  inspect(options: Abortable = {}): Promise<NetworkDocument> {
    return this.#api.call('network.inspect', { Id: this.id }, options);
  }

  /** Connect a container to it: at once if it runs, else from its next start on. */
  async connect(options: Omit<NetworkConnect, 'Id'> & Abortable): Promise<void> {
    const { abortSignal, ...request } = options;
    await this.#api.call('network.connect', { ...request, Id: this.id }, { abortSignal });
  }

  /** Disconnect a container from it. */
  async disconnect(options: Omit<NetworkDisconnect, 'Id'> & Abortable): Promise<void> {
    const { abortSignal, ...request } = options;
    await this.#api.call('network.disconnect', { ...request, Id: this.id }, { abortSignal });
  }

  /** Remove it; no running container may be in it. `force`: that it is gone already is fine. */
  async remove(options: { force?: boolean } & Abortable = {}): Promise<void> {
    await this.#api.call('network.remove', { Id: this.id, Force: options.force ?? false }, options);
  }
}
