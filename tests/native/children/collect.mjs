// Makes trainers that nobody disposes of, and prints whether the collector took some. V8 has to hear of what they hold outside
// of its heap, since by their small objects alone it would take none.
import { setImmediate as turn } from 'node:timers/promises';
import { Base, Trainer } from '../../../dist/native/engine.js';
import { description } from './setup.mjs';

let collected = 0;
const registry = new FinalizationRegistry(() => {
  collected++;
});
const base = new Base({ description });
for (let bytes = 0; bytes < 184e6; ) {
  const trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 256, scale: 1 }] });
  bytes += trainer.bytes;
  registry.register(trainer, null);
  await turn();
}
console.log(JSON.stringify(collected > 0));
