import { factorMask } from '../adapter/factors.js';
import { unpackPart } from '../adapter/part.js';
import { averaging } from './averaging.js';
import { partOf } from './updates.js';

/**
 * FFA-LoRA (arXiv 2403.12313): A stays at the shared start, only B is trained and averaged, so the mean of the factors is
 * the mean of the products. A comes from a seed and never travels.
 */
export const ffaLora = averaging({
  id: 'ffa-lora',
  summary: 'Only B is trained and averaged; A stays at its shared start.',
  capabilities: { gives: ['global'], aligned: true, robust: true, rebasable: true, mutable: true },
  options: {},
  factors: { trains: () => 'B' },
  client: ({ layout, initial }) => ({
    adapters: ({ parts }) => ({
      global: unpackPart(partOf(parts, 'adapter', 'the server'), layout, { fallback: initial }),
      trainable: factorMask(layout, 'B')!,
    }),
  }),
});
