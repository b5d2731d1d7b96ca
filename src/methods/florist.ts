import { z } from 'zod';
import { keepEnergy, truncatedSum } from '../merge/lowRank.js';
import { stacking } from './stacking.js';

/**
 * FLoRIST (arXiv 2506.09199): as flora, but of the mean product of a round each module keeps only the largest singular values, as
 * few as hold `florist_energy` of the sum of their squares.
 */
export const florist = stacking({
  id: 'florist',
  summary: 'flora, of which each module keeps as few singular values as hold most of it.',
  options: {
    florist_energy: z
      .number()
      .positive()
      .max(1)
      .default(0.9)
      .describe('florist: share of the squared singular values that each module keeps.'),
  },
  keep(adapters, { florist_energy: share }, arithmetic) {
    const whole = truncatedSum(adapters, ({ inDim, outDim }) => Math.min(inDim, outDim, rankOf(adapters)), arithmetic);
    const { adapter, kept } = keepEnergy(whole, share);
    return { adapters: [{ ...adapter, weight: 1 }], aggregationError: Math.sqrt(Math.max(0, 1 - kept)) };
  },
});

/** All components of the clients' adapters together, which are as many in every module. */
function rankOf(
  adapters: readonly { readonly layout: { readonly modules: readonly { readonly rank: number }[] } }[],
): number {
  return adapters.reduce((sum, { layout }) => sum + (layout.modules[0]?.rank ?? 0), 0);
}
