import type { Estimate } from './estimates.js';

/** Scores of one subject on some examples. Perplexity and loss (nats) are per target token. */
export interface PerplexityScore {
  readonly examples: number;
  readonly tokens: number;
  readonly nll: number;
  readonly ppl: Estimate;
}

/** Scores of one subject on some questions, as shares. */
export interface ChoiceScore {
  readonly questions: number;
  readonly accuracy: Estimate;
  /** The choice of the highest log-likelihood per letter. */
  readonly accuracy_norm: Estimate;
}

/** Scores of one subject on examples whose answers are classes. */
export interface ClassScore {
  readonly examples: number;
  readonly accuracy: Estimate;
  /** Mean over classes, each counting once. */
  readonly macro_f1: Estimate;
}

/** Scores of the answers that one subject wrote, means over examples; ROUGE as F1. */
export interface AnswersScore {
  readonly examples: number;
  readonly exact_match: Estimate;
  readonly rouge1: Estimate;
  readonly rougeL: Estimate;
}

/** What one subject scored: in all, by owner, by category. */
export interface Scored<Score> {
  readonly name: string;
  readonly all: Score;
  readonly owners: Readonly<Record<string, Score>>;
  readonly categories: Readonly<Record<string, Score>>;
}

/** Perplexity of one subject on data or text. */
export interface PerplexityResult extends Scored<PerplexityScore> {
  /** Mean of the owners' perplexities, each counting once. */
  readonly mean_of_owners?: Estimate;
  /** Perplexity over that of the base less 1, on the same examples. */
  readonly against_base?: Estimate;
}

/** Plain text: besides, per byte and per word, which bases of other tokenizers can be compared by. */
export interface TextResult extends PerplexityResult {
  readonly byte_ppl: number;
  readonly bits_per_byte: number;
  readonly word_ppl: number;
}

export interface ChoicesResult extends Scored<ChoiceScore> {
  /** Accuracy less that of the base, on the same questions. */
  readonly against_base?: Estimate;
}

export interface ClassesResult extends Scored<ClassScore> {
  /** Accuracy less that of the base, on the same examples. */
  readonly against_base?: Estimate;
}

export interface AnswersResult extends Scored<AnswersScore> {
  /** ROUGE-L less that of the base, on the same examples. */
  readonly against_base?: Estimate;
}

/** Everything that was scored, as `--json` prints it. */
export interface EvalReport {
  readonly model: {
    readonly name: string;
    readonly sha256: string;
    readonly precision: string;
    /** Null where llama.cpp alone was asked. */
    readonly kernels: string | null;
  };
  readonly data?: {
    readonly split: string;
    readonly template: string;
    readonly seq_length: number;
    /** Examples cut at seq_length, and those left out. */
    readonly cut: number;
    readonly targets_lost: number;
    readonly left_out: number;
    readonly results: readonly PerplexityResult[];
  };
  readonly text?: {
    readonly window: number;
    readonly stride: number;
    readonly rolling: boolean;
    readonly bytes: number;
    readonly words: number;
    readonly results: readonly TextResult[];
  };
  readonly choices?: { readonly prompt: string; readonly results: readonly ChoicesResult[] };
  readonly classes?: { readonly labels: readonly string[]; readonly results: readonly ClassesResult[] };
  readonly answers?: {
    readonly split: string;
    readonly template: string;
    readonly max_tokens: number;
    readonly results: readonly AnswersResult[];
  };
}

/** A line of the file of single scores. */
export type ExampleLine = { readonly set: keyof Omit<EvalReport, 'model'>; readonly id: string } & Readonly<
  Record<string, unknown>
>;
