import type { EvalSplit, Which } from './evaluation.js';

/** One line of an owner's `owners/<folder>/scores.jsonl`: an example under every adapter that was scored on it. */
export interface ExampleScores {
  readonly id: string;
  readonly split: EvalSplit;
  readonly category?: string;
  /** Target tokens. */
  readonly targets: number;
  /** Sum over the target tokens, nats. */
  readonly nll: Readonly<Partial<Record<Which, number>>>;
}
