/** Credentials of one call: given as they are, or by whoever is asked for them. */

import type { AuthConfig } from './types.generated';

/** Credentials, or a function that is called with the image's name (or a search's term) and gives some, or none. */
export type Credentials =
  | AuthConfig
  | ((name: string) => AuthConfig | undefined | Promise<AuthConfig | undefined>);

/** What is given for this name. */
export async function credentials(given: Credentials | undefined, name: string): Promise<AuthConfig | null> {
  return (typeof given === 'function' ? await given(name) : given) ?? null;
}
