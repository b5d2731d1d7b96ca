import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdapterError, ModelError } from '../../../src/errors.js';
import {
  encodeSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type TensorValues,
} from '../../../src/safetensors/index.js';

const folder = mkdtempSync(join(tmpdir(), 'fedtune-safetensors-'));
const path = join(folder, 'x.safetensors');

/** A file by hand, as the format's README has it, with any number of spaces behind the header. */
function file(header: object, data: Uint8Array, spaces = 0): Buffer {
  const json = Buffer.from(JSON.stringify(header) + ' '.repeat(spaces));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

const values = fc.oneof(fc.float32Array({ noNaN: true, maxLength: 20 }), fc.uint8Array({ maxLength: 20 }));
const tensors = fc.uniqueArray(fc.tuple(fc.string(), values), { selector: ([name]) => name, maxLength: 6 });

describe('safetensors', () => {
  it('reads back what it writes, bit by bit and in order', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, async (list) => {
        const written = list
          .filter(([name]) => name !== '__metadata__' && name !== '__proto__')
          .map(([name, data]): TensorValues => ({ name, shape: [data.length], values: data }));
        writeFileSync(path, encodeSafetensors(written));
        const back = await readSafetensors(path, AdapterError);
        expect(Object.fromEntries(back)).toEqual(Object.fromEntries(written.map((tensor) => [tensor.name, tensor])));
      }),
      {
        numRuns: 100,
        // keys of digits come first in an object, whatever their order in the file
        examples: [
          [
            [
              ['', new Uint8Array(0)],
              ['0', new Float32Array(1)],
            ],
          ],
        ],
      },
    );
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'reads tensors that start anywhere: %d spaces behind the header',
    async (spaces) => {
      const data = new Uint8Array(1 + 8 + 4 + 4);
      const view = new DataView(data.buffer);
      view.setUint8(0, 7);
      view.setFloat32(1, 1.5, true);
      view.setFloat32(5, -2, true);
      view.setUint16(9, 0x3c00, true);
      view.setUint16(11, 0xc000, true);
      view.setUint16(13, 0x3f80, true);
      view.setUint16(15, 0xc040, true);
      const entry = (dtype: string, from: number, to: number, shape = [2]) => ({
        dtype,
        shape,
        data_offsets: [from, to],
      });
      const header = {
        u: entry('U8', 0, 1, [1]),
        f: entry('F32', 1, 9),
        h: entry('F16', 9, 13),
        b: entry('BF16', 13, 17),
      };
      writeFileSync(path, file(header, data, spaces));
      const read = await readSafetensors(path, AdapterError);
      expect([...read.get('f')!.values]).toEqual([1.5, -2]);
      expect([...read.get('h')!.values]).toEqual([1, -2]);
      expect([...read.get('b')!.values]).toEqual([1, -3]);
      expect([...read.get('u')!.values]).toEqual([7]);
    },
  );

  it('throws the class of errors that it is told', async () => {
    writeFileSync(path, file({ x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8)));
    for (const Failure of [AdapterError, ModelError]) {
      const error = await readSafetensors(path, Failure).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(Failure);
      expect(error).toMatchObject({ code: 'UNSUPPORTED_TYPE', message: expect.stringContaining('I64') });
      await expect(readSafetensorsHeader(join(folder, 'absent'), Failure)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await expect(readSafetensorsHeader(path, ModelError)).resolves.toEqual([
      { name: 'x', dtype: 'I64', shape: [1], offset: expect.any(Number), bytes: 8 },
    ]);
  });
});
