import { describe, expect, it } from 'vitest';
import { layoutFor, trainerModules } from '../../src/adapter/shapes.js';
import { packBatch } from '../../src/data/pack.js';
import { collectGarbage } from '../../src/garbage.js';
import { loadModel } from '../../src/model/index.js';
import { Base, Trainer } from '../../src/native/engine.js';

const resident = (): number => {
  collectGarbage('all');
  return process.memoryUsage().rss;
};

// Elsewhere large buffers are malloc's.
describe.runIf(process.platform === 'linux')('the memory of trainers', () => {
  it('goes back to the system with them, whichever threads worked for them', async () => {
    const { description: short } = await loadModel('embedded');
    const description = { ...short, contextLength: 2048 };
    const layout = layoutFor(description, { rank: 8, alpha: 16 });
    const batch = packBatch([
      { id: '0', tokens: Int32Array.from({ length: 1000 }, (_, i) => i % 500), lossMask: new Uint8Array(1000).fill(1) },
    ]);
    using base = new Base({ description });
    const work = async (): Promise<number> => {
      const modules = trainerModules(layout);
      const trainers = Array.from({ length: 4 }, () => new Trainer({ base, modules }));
      await Promise.all(trainers.map((trainer) => trainer.stepAsync([batch], { learningRate: 1e-4 })));
      const bytes = trainers.reduce((sum, trainer) => sum + trainer.bytes, 0);
      for (const trainer of trainers) trainer.dispose();
      return bytes;
    };
    const before = resident();
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 5);
    const bytes = await work();
    clearInterval(watch);
    expect(bytes).toBeGreaterThan(5e7);
    expect(most - before).toBeGreaterThan(0.5 * bytes);
    expect((resident() - before) / bytes).toBeLessThan(0.2);
  });
});
