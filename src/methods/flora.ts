import { stacking } from './stacking.js';

/** FLoRA (arXiv 2409.05976): the stacked factors of every round, exactly. */
export const flora = stacking({
  id: 'flora',
  summary: 'Stacks the clients’ factors: the exact mean of the products, from clients of any ranks.',
  options: {},
});
