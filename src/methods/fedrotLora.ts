import { alignFactors } from '../merge/procrustes.js';
import { averaging } from './averaging.js';

/**
 * FedRot-LoRA (arXiv 2602.23638): B A says nothing of how its factors are turned, so each client's are turned towards the merged
 * adapter before they are averaged: by A in even rounds and by B in odd ones, not in the first, where the reference B is 0.
 */
export const fedrotLora = averaging({
  id: 'fedrot-lora',
  summary: 'Turns the clients’ factors towards the merged ones before it averages them.',
  capabilities: { gives: ['global'] },
  options: {},
  server({ layout, arithmetic }) {
    let merges = 0;
    return {
      combine(rows, before) {
        merges += 1;
        const by = merges % 2 === 0 ? 'A' : 'B';
        const align = (values: Float32Array) => alignFactors(values, before, layout.modules, by);
        const turned = merges === 1 ? rows : rows.map((row) => ({ ...row, values: align(row.values) }));
        return { merged: arithmetic.mean(turned, before), metrics: {} };
      },
      state: () => merges,
      restore(state) {
        merges = state as number;
      },
    };
  },
});
