import { z } from 'zod';
import { FedtuneError } from '../errors.js';
import { publicKey } from './folder.js';
import { isSignedBy, sign } from './keys.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What is said of a request or a reply whose bytes lie in pieces beside it. */
const manifestSchema = z.strictObject({
  version: z.literal(1),
  kind: z.enum(['task', 'reply']),
  /** Names the run at its owners; the same when it goes on. */
  run: z.uuid(),
  /** The owner's account. */
  owner: publicKey,
  /** Names the pieces; new each time something is asked. */
  id: z.uuid(),
  /** sha256 of the request, also of the one that is replied to. */
  request: sha256,
  /** Length and sha256 of what lies in the pieces. */
  bytes: z.int().min(0),
  sha256,
});
export type Manifest = z.output<typeof manifestSchema>;

export const SIGNATURE = 'Fedtune-Signature';

/** Before what is signed, so that a signature over anything else is none of a manifest. */
const DOMAIN = new TextEncoder().encode('fedtune manifest 1\n');
const MAX_BYTES = 4096;

const signed = (payload: Uint8Array): Uint8Array => Buffer.concat([DOMAIN, payload]);

/** A manifest as it travels: JSON, and the Ed25519 signature over it. */
export function sealManifest(manifest: Manifest, seed: string): { payload: Uint8Array; signature: string } {
  const payload = new TextEncoder().encode(JSON.stringify(manifest));
  return { payload, signature: sign(signed(payload), seed) };
}

/** Reads a manifest of whoever has this public key. Throws FedtuneError BAD_SIGNATURE, BAD_MANIFEST. */
export function openManifest(payload: Uint8Array, signature: string | undefined, key: string, who: string): Manifest {
  if (payload.length > MAX_BYTES) {
    throw new FedtuneError(
      'BAD_MANIFEST',
      `Expected at most ${MAX_BYTES} bytes of ${who} about a message but received ${payload.length}.`,
    );
  }
  if (!isSignedBy(key, signed(payload), signature)) {
    throw new FedtuneError(
      'BAD_SIGNATURE',
      `Expected a message that ${who} has signed but its signature is ${signature === undefined ? 'missing' : 'of another key, or the message was altered'}.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    // As for any other form.
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new FedtuneError(
    'BAD_MANIFEST',
    `What ${who} says about its message cannot be read. Do both sides run the same fedtune?`,
  );
}
