import type { ExtraState } from './averaging.js';

/** Tensors of the clients as entries of a strategy's state, named `<prefix>/<client>`. */
export function saveByClient(prefix: string, tensors: ReadonlyMap<string, Float32Array | Uint8Array>): ExtraState {
  return Object.fromEntries([...tensors].map(([client, tensor]) => [`${prefix}/${client}`, tensor]));
}

/** What `saveByClient` named so. */
export function loadByClient<T extends Float32Array | Uint8Array>(
  prefix: string,
  tensors: Readonly<ExtraState>,
): Map<string, T> {
  const start = `${prefix}/`;
  return new Map(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(start))
      .map(([name, tensor]) => [name.slice(start.length), tensor as T]),
  );
}
