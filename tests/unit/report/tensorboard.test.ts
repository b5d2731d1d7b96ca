import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../../../src/report/tensorboard/crc32c.js';
import { eventFile, record } from '../../../src/report/tensorboard/eventFile.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('CRC-32C', () => {
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s is that of RFC 3720, B.4', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('of the check digits and of nothing', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array())).toBe(0);
  });

  it('is masked as TFRecord does: rotated right by 15, plus a282ead8', () => {
    // crc 0, so only the constant is left.
    expect(maskedCrc32c(new Uint8Array())).toBe(0xa282ead8);
  });
});

describe('an event file', () => {
  it('has length, checksum, bytes, checksum a record', () => {
    // The head of the first record of every event file of TensorBoard: 24 bytes, checksum a3 7f 4b 22.
    expect(hex(record(new Uint8Array(24))).slice(0, 24)).toBe('1800000000000000a37f4b22');
  });

  it('is what the writer of Python tensorboard 2.21 makes of the same events, byte for byte', () => {
    const file = Buffer.concat([...eventFile(1, [{ tag: 'a', step: 300, time: 1, value: 1 }])]);
    const version = '1800000000000000a37f4b22' + '09000000000000f03f' + '1a0d627261696e2e4576656e743a32' + '86bf577a';
    // wall_time 1.0, step 300 (ac 02), summary of 10 bytes, value of 8: tag "a", simple_value 1.0f.
    const scalar = '09000000000000f03f' + '10ac02' + '2a0a' + '0a08' + '0a0161' + '150000803f';
    expect(hex(file)).toBe(`${version}1800000000000000a37f4b22${scalar}cfeda319`);
  });

  it('comes in blocks that are one file together', () => {
    const scalars = Array.from({ length: 50_000 }, (_, step) => ({ tag: 'loss', step, time: 1, value: step }));
    const blocks = [...eventFile(1, scalars)];
    expect(blocks.length).toBeGreaterThan(1);
    const whole = Buffer.concat(blocks);
    let records = 0;
    for (let at = 0; at < whole.length; records++) at += 16 + Number(whole.readBigUInt64LE(at));
    expect(records).toBe(50_001);
  });

  it('takes long names and large steps', () => {
    const tag = 'x'.repeat(200);
    const file = Buffer.concat([...eventFile(0, [{ tag, step: 2 ** 40, time: 0, value: 0.5 }])]);
    // varint of 2^40: 5 bytes of 7 zero bits, then 2^5.
    expect(file.includes(Buffer.from('10808080808020', 'hex'))).toBe(true);
    // varint of 200: c8 01.
    expect(file.includes(Buffer.concat([Buffer.from('0ac801', 'hex'), Buffer.from(tag)]))).toBe(true);
  });
});
