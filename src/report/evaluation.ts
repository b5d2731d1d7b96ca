import { z } from 'zod';
import { number } from './events.js';

const ppl = z.object({ ppl: z.object({ value: number }) });
const results = z.array(
  z.object({
    name: z.string(),
    all: ppl,
    owners: z.record(z.string(), ppl),
    against_base: z.object({ value: number, low: number, high: number }).optional(),
  }),
);

/** evaluation.json: what `fedtune report --cross --text` scored after the run. */
export const evaluationSchema = z.object({
  metrics_sha256: z.string(),
  data: z.object({ results }).optional(),
  text: z.object({ results }).optional(),
});

export type RunEvaluation = z.output<typeof evaluationSchema>;
