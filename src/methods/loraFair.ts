import { z } from 'zod';
import { refineB } from '../merge/refineB.js';
import { averaging } from './averaging.js';

/**
 * After LoRA-FAIR (arXiv 2411.14961): fedavg's factors, and a correction of B on the server that makes up for what the mean of the
 * factors misses of the mean product. The paper seeks it by gradient descent on a similarity; here it has the closed form of a
 * distance.
 */
export const loraFair = averaging({
  id: 'lora-fair',
  summary: 'fedavg’s factors with a B that makes up for what their product misses.',
  capabilities: { gives: ['global'], aligned: true },
  options: {
    fair_lambda: z.number().positive().default(0.01).describe('lora-fair: ridge on the correction of B.'),
  },
  server: ({ layout, arithmetic, options }) => ({
    combine(rows, before) {
      const mean = arithmetic.mean(rows, before);
      return { merged: rows.length === 0 ? mean : refineB(layout, rows, mean, options.fair_lambda), metrics: {} };
    },
  }),
});
