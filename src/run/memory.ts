import { totalmem } from 'node:os';
import { ConfigError } from '../errors.js';
import type { ModelDescription, Precision } from '../native/binding.js';
import { formatBytes } from '../report/format.js';

/** Bytes a weight: int8 and int4 have an f32 scale for every 32 of them. */
const BYTES: Readonly<Record<Precision, number>> = { f32: 4, int8: 1 + 4 / 32, int4: 0.5 + 4 / 32 };

/** Bytes of a base in memory; in int4 its embedding and output matrix stay int8. */
export function baseBytes({ tensors }: Pick<ModelDescription, 'tensors'>, precision: Precision): number {
  return tensors.reduce((sum, { name, ne }) => {
    const count = ne.reduce((product, n) => product * n, 1);
    const kept = ne.length < 2 ? 'f32' : precision === 'int4' && !name.startsWith('blk.') ? 'int8' : precision;
    return sum + count * BYTES[kept];
  }, 0);
}

/** Memory of this machine, or what a container may take of it. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** Refuses a base that no memory here holds, before it is loaded. Throws ConfigError MEMORY. */
export function requireRoomForBase(
  description: Pick<ModelDescription, 'tensors'>,
  precision: Precision,
  limit = memoryLimit(),
): void {
  const needed = baseBytes(description, precision);
  if (needed <= limit) return;
  const fits = (['int8', 'int4'] as const).find((other) => baseBytes(description, other) < limit / 1.5);
  throw new ConfigError(
    `Expected ${formatBytes(needed)} of memory for the base in ${precision} but this machine has ${formatBytes(limit)}. ` +
      (fits === undefined ? 'Take a smaller base.' : `Set precision: ${fits}, or take a smaller base.`),
    { code: 'MEMORY' },
  );
}
