import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/errors.js';
import { loadModel } from '../../../src/model/index.js';
import { tinyGguf } from './buildGguf.js';
import { mutateGguf, stream } from './mutateGguf.js';

const folder = mkdtempSync(join(tmpdir(), 'fedtune-mutations-'));
const SHARED = '../shared/models/stories260K.gguf';

async function survive(
  original: Buffer,
  headerBytes: number,
  times: number,
  seed: number,
): Promise<Map<string, number>> {
  const random = stream(seed);
  const outcomes = new Map<string, number>();
  for (let i = 0; i < times; i++) {
    const path = join(folder, `${seed}-${i}.gguf`);
    writeFileSync(path, mutateGguf(original, headerBytes, random));
    const outcome = await loadModel(path).then(
      () => 'loaded',
      (error: unknown) => {
        if (!(error instanceof ModelError)) throw new Error(`mutation ${i} of seed ${seed}`, { cause: error });
        return error.code;
      },
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

describe('damaged GGUF headers either load or give a ModelError', () => {
  it('300 of a file that the test makes', async () => {
    const { bytes, headerBytes } = tinyGguf({ layers: 2 });
    const outcomes = await survive(bytes, headerBytes, 300, 1);
    // The damage is varied: no single check stops all of it.
    expect(outcomes.size).toBeGreaterThanOrEqual(6);
    expect(outcomes.get('TRUNCATED')).toBeGreaterThan(20);
  });

  it.skipIf(!existsSync(SHARED))(`100 of ${SHARED}`, async () => {
    const bytes = readFileSync(SHARED);
    const headerBytes =
      bytes.length - (await loadModel(SHARED)).description.tensors.reduce((sum, t) => sum + t.bytes, 0);
    expect((await survive(bytes, headerBytes, 100, 2)).size).toBeGreaterThanOrEqual(4);
  });
});
