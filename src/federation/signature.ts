import { fromPublic } from '@nats-io/nkeys';
import { keyOf } from './accounts.js';

/** The Ed25519 signature over these bytes by the key of this seed, base64url. */
export function sign(bytes: Uint8Array, seed: string): string {
  return Buffer.from(keyOf(seed).sign(bytes)).toString('base64url');
}

/** Whether this is the signature of whoever has the public key; not where there is none, or one of another form. */
export function isSignedBy(key: string, bytes: Uint8Array, signature: string | undefined): boolean {
  try {
    return fromPublic(key).verify(bytes, Buffer.from(signature ?? '', 'base64url'));
  } catch {
    return false;
  }
}
