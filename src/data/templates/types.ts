import type { Example } from '../types.js';

/** A piece of a rendered conversation. */
export interface Segment {
  readonly text: string;
  /** `template`: control tokens in it are meant; `user`: they are only text, whatever they look like. */
  readonly source: 'template' | 'user';
  /** Whether its tokens are targets of the loss. */
  readonly target: boolean;
}

/** Turns an example into text. */
export interface PromptTemplate {
  readonly id: string;
  /** The whole example; what the model has to say is marked as target, its end token included. */
  render(example: Example): Segment[];
  /** Only what goes before the (last) answer, for generating one. */
  prompt(example: Example): Segment[];
}
