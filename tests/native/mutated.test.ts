import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FedtuneError } from '../../src/errors.js';
import { loadModel } from '../../src/model/index.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { tinyGguf } from '../unit/model/buildGguf.js';
import { mutateGguf, stream } from '../unit/model/mutateGguf.js';

// What passes the header checks in TypeScript reaches the engine: there too it works or gives a typed error.
it('400 damaged GGUF files never end the process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedtune-damaged-'));
  const { bytes, headerBytes } = tinyGguf({ layers: 2 });
  const random = stream(77);
  let opened = 0;
  for (let i = 0; i < 400; i++) {
    const path = join(folder, `${i}.gguf`);
    writeFileSync(path, mutateGguf(bytes, headerBytes, random));
    try {
      const { description } = await loadModel(path);
      using base = new Base({ description, precision: i % 2 ? 'f32' : 'int8' });
      using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 2, scale: 1 }] });
      trainer.evaluate({
        tokens: Int32Array.of(1, 2, 3),
        lossMask: Uint8Array.of(0, 1, 1),
        lengths: Int32Array.of(3),
      });
      opened++;
    } catch (error) {
      expect(error).toBeInstanceOf(FedtuneError);
    }
  }
  // some damage is harmless (a name, a description), or this would test nothing of the engine
  expect(opened).toBeGreaterThan(5);
});
