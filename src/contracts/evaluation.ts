/** What a score belongs to, in the order in which ties are decided. */
export const WHICH = ['base', 'local', 'global', 'personalized', 'unmerged', 'tuned'] as const;
export type Which = (typeof WHICH)[number];

/** The parts of an owner's examples that are scored. */
export const EVAL_SPLITS = ['valid', 'test'] as const;
export type EvalSplit = (typeof EVAL_SPLITS)[number];

/** Mean negative log-likelihood over target tokens in nats, its exponential, and the number of target tokens. */
export interface Score {
  readonly nll: number;
  readonly ppl: number;
  readonly tokens: number;
}

/** The round that what was scored at the end is of, where that need not be the last. */
export type KeptRounds = Readonly<Partial<Record<Which, number>>>;

/** A mean of scores over clients. */
export interface MeanScore {
  readonly nll: number;
  readonly ppl: number;
}

export type Scores = Partial<Record<Which, Score>>;
export type MeanScores = Partial<Record<Which, MeanScore>>;

/** One score with what it is of. */
export interface ClientScore {
  readonly client: string;
  readonly which: Which;
  readonly split: EvalSplit;
  readonly score: Score;
}

/** Means over the clients after a round. */
export interface Evaluation {
  readonly round: number;
  readonly split: EvalSplit;
  /** Each client counts once. */
  readonly macro: MeanScores;
  /** Each target token counts once. */
  readonly weighted: MeanScores;
}
