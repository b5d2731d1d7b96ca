import { createAccount, createUser, fromPublic, fromSeed, type KeyPair } from '@nats-io/nkeys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSignedBy, keyOf, publicKeyOf, sign } from '../../../src/federation/keys.js';

const seedOf = (pair: KeyPair): string => new TextDecoder().decode(pair.getSeed());
const KEYS = [createUser(), createAccount()];
const bytes = fc.uint8Array({ maxLength: 300 });

/** NATS's own library, which computes in JavaScript. */
const theirs = (seed: string): KeyPair => fromSeed(new TextEncoder().encode(seed));

describe('keys', () => {
  it.each(KEYS)('have the public key and make the signatures that the library of NATS makes', (pair) => {
    const seed = seedOf(pair);
    expect(publicKeyOf(seed)).toBe(theirs(seed).getPublicKey());
    expect(keyOf(seed).getPublicKey()).toBe(theirs(seed).getPublicKey());
    fc.assert(
      fc.property(bytes, (some) => {
        const signature = Buffer.from(theirs(seed).sign(some));
        expect(sign(some, seed)).toBe(signature.toString('base64url'));
        expect(Buffer.from(keyOf(seed).sign(some)).equals(signature)).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  it('tell a signature from any other', () => {
    const [seed, other] = KEYS.map(seedOf);
    const key = publicKeyOf(seed!);
    fc.assert(
      fc.property(bytes, fc.nat(63), fc.integer({ min: 1, max: 255 }), (some, at, change) => {
        const signature = sign(some, seed!);
        expect(isSignedBy(key, some, signature)).toBe(true);
        expect(isSignedBy(publicKeyOf(other!), some, signature)).toBe(false);
        expect(isSignedBy(key, Uint8Array.of(...some, 0), signature)).toBe(false);
        const altered = Buffer.from(signature, 'base64url');
        altered[at]! ^= change;
        expect(isSignedBy(key, some, altered.toString('base64url'))).toBe(false);
      }),
    );
    for (const none of [undefined, '', 'x', 'A'.repeat(86)])
      expect(isSignedBy(key, new Uint8Array(3), none)).toBe(false);
    expect(isSignedBy('UNONE', new Uint8Array(3), sign(new Uint8Array(3), seed!))).toBe(false);
    expect(fromPublic(key).verify(new Uint8Array(3), Buffer.from(sign(new Uint8Array(3), seed!), 'base64url'))).toBe(
      true,
    );
  });
});
