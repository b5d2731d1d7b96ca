import {
  createPrivateKey,
  createPublicKey,
  sign as ed25519Sign,
  verify as ed25519Verify,
  type KeyObject,
} from 'node:crypto';
import { fromPublic, fromSeed, type KeyPair } from '@nats-io/nkeys';
import { Codec } from '@nats-io/nkeys/lib/codec.js';

/** What stands before the 32 bytes of an Ed25519 key in DER, private (PKCS #8) and public (SPKI): RFC 8410. */
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The arithmetic is OpenSSL's, as that in JavaScript takes a hundred times as long: with a thousand owners, minutes. */
function privateKeyOf(seed: string): { readonly key: KeyObject; readonly prefix: number } {
  const { buf, prefix } = Codec.decodeSeed(ascii(seed));
  return { key: createPrivateKey({ key: Buffer.concat([PRIVATE, buf]), format: 'der', type: 'pkcs8' }), prefix };
}

/** The public key of a seed. */
export function publicKeyOf(seed: string): string {
  const { key, prefix } = privateKeyOf(seed);
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return new TextDecoder().decode(Codec.encode(prefix, new Uint8Array(der.subarray(PUBLIC.length))));
}

/** The key pair of a seed, for what makes JWTs. */
export function keyOf(seed: string): KeyPair {
  const publicKey = publicKeyOf(seed);
  return Object.assign(fromSeed(ascii(seed)), {
    getPublicKey: () => publicKey,
    sign: (bytes: Uint8Array) => new Uint8Array(ed25519Sign(null, bytes, privateKeyOf(seed).key)),
  });
}

/** The Ed25519 signature over these bytes by the key of this seed, base64url. */
export function sign(bytes: Uint8Array, seed: string): string {
  return ed25519Sign(null, bytes, privateKeyOf(seed).key).toString('base64url');
}

/** Whether this is the signature of whoever has the public key; not where there is none, or one of another form. */
export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: string | undefined): boolean {
  try {
    fromPublic(publicKey);
    const raw = Codec._decode(ascii(publicKey)).slice(1);
    const key = createPublicKey({ key: Buffer.concat([PUBLIC, raw]), format: 'der', type: 'spki' });
    return ed25519Verify(null, bytes, key, Buffer.from(signature ?? '', 'base64url'));
  } catch {
    return false;
  }
}
