import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newUserSeed } from '../../../src/federation/folder.js';
import { publicKeyOf } from '../../../src/federation/keys.js';
import type { Found, Mailbox } from '../../../src/federation/mailbox.js';
import { type Manifest, openManifest, sealManifest } from '../../../src/federation/manifest.js';
import { cutPieces, getPieces, PIECE, putPieces, sha256Of } from '../../../src/federation/pieces.js';
import { parseEndpoint } from '../../../src/federation/serverConfig.js';

/** A box in memory, which answers in any order. */
function memoryBox(): Mailbox & { readonly kept: Map<string, Uint8Array> } {
  const kept = new Map<string, Uint8Array>();
  const later = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  return {
    kept,
    put: async (subject: string, payload: Uint8Array) => {
      await later();
      kept.set(subject, payload.slice());
    },
    get: async (subject: string): Promise<Found | undefined> => {
      await later();
      const payload = kept.get(subject);
      return payload && { payload, seq: 1, header: () => undefined };
    },
  } as unknown as Mailbox & { readonly kept: Map<string, Uint8Array> };
}

describe('pieces', () => {
  it('hold all bytes in order, all but the last of full size, wherever the parts end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 17 }),
        (parts, size) => {
          const pieces = [...cutPieces(parts, size)];
          expect(Buffer.concat(pieces)).toEqual(Buffer.concat(parts));
          for (const piece of pieces.slice(0, -1)) expect(piece.length).toBe(size);
          for (const piece of pieces) expect(piece.length).toBeGreaterThan(0);
        },
      ),
    );
  });

  it('come back as they went, also of length 0 and of a whole number of pieces', async () => {
    for (const length of [0, 1, PIECE, PIECE + 1, 7 * PIECE]) {
      const box = memoryBox();
      const bytes = new Uint8Array(length).map((_, i) => i * 7);
      await putPieces(box, 'up', 'x', [bytes.subarray(0, 5), bytes.subarray(5)]);
      const said = { id: 'x', bytes: length, sha256: sha256Of([bytes]) };
      expect(Buffer.compare(await getPieces(box, 'up', said, 1e9, 'north'), bytes)).toBe(0);
    }
  });

  it('are refused by name: too many bytes before any is read, one missing, short, or other', async () => {
    const box = memoryBox();
    const bytes = new Uint8Array(PIECE + 10).fill(3);
    await putPieces(box, 'up', 'x', [bytes]);
    const said = { id: 'x', bytes: bytes.length, sha256: sha256Of([bytes]) };
    const read = (more: Partial<typeof said>, max = 1e9) => getPieces(box, 'up', { ...said, ...more }, max, 'north');
    await expect(read({ bytes: Number.MAX_SAFE_INTEGER })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(read({}, PIECE)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await expect(read({ bytes: 2 * PIECE + 1 })).rejects.toMatchObject({ code: 'MISSING_PIECE' });
    await expect(read({ bytes: PIECE + 9 })).rejects.toMatchObject({ code: 'MISSING_PIECE' });
    await expect(read({ sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'BAD_DIGEST' });
  });
});

describe('manifests', () => {
  const seed = newUserSeed();
  const manifest: Manifest = {
    ...{
      version: 1,
      kind: 'reply',
      run: '0b6c0f0e-5d0c-4d0e-8e59-0d9f7f1f7b11',
      id: '0b6c0f0e-5d0c-4d0e-8e59-0d9f7f1f7b12',
    },
    ...{ owner: publicKeyOf(seed), request: '0'.repeat(64), bytes: 5, sha256: '1'.repeat(64) },
  };

  it('are read with the key that signed them, whole and unaltered, and with no other', () => {
    const { payload, signature } = sealManifest(manifest, seed);
    expect(openManifest(payload, signature, publicKeyOf(seed), 'north')).toEqual(manifest);
    expect(() => openManifest(payload, signature, publicKeyOf(newUserSeed()), 'north')).toThrow('signature');
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const altered = payload.map((byte, i) => (i === at ? byte ^ bits : byte));
        expect(() => openManifest(altered, signature, publicKeyOf(seed), 'north')).toThrow('signature');
      }),
      { numRuns: 25 },
    );
  });

  it('of another form are refused though they are signed', () => {
    for (const odd of [
      { ...manifest, bytes: -1 },
      { ...manifest, bytes: 0.5 },
      { ...manifest, run: '../..' },
      { ...manifest, more: 1 },
      [],
    ]) {
      const { payload, signature } = sealManifest(odd as Manifest, seed);
      expect(() => openManifest(payload, signature, publicKeyOf(seed), 'north')).toThrow('cannot be read');
    }
  });
});

describe('the address of a server', () => {
  it('is a host and a port, without anything else', () => {
    expect(parseEndpoint('nats://host')).toEqual({ url: 'nats://host:4222', host: 'host', port: 4222 });
    expect(parseEndpoint('tls://10.0.0.7:14222').url).toBe('nats://10.0.0.7:14222');
    expect(parseEndpoint('nats://[::1]:5000')).toEqual({ url: 'nats://[::1]:5000', host: '::1', port: 5000 });
    for (const odd of ['', 'host:4222', 'http://host', 'nats://user:secret@host', 'nats://host/path', 'nats://']) {
      expect(() => parseEndpoint(odd), odd).toThrow('Expected the address');
    }
  });
});
