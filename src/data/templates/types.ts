import type { Example } from '../types.js';

/** A piece of a rendered conversation. */
export interface Segment {
  readonly text: string;
  /** `template`: control tokens in it are meant; `user`: they are only text, whatever they look like. */
  readonly source: 'template' | 'user';
  /** Whether its tokens are targets of the loss. */
  readonly target: boolean;
}

/** An example as the sequences that it is trained as. */
export interface Rendering {
  /** The one of the last answer first. */
  readonly sequences: readonly Segment[][];
  /** Whether turns were joined or renamed, because the template refuses or loses them as they are. */
  readonly reshaped: boolean;
}

/** Turns an example into text. */
export interface PromptTemplate {
  readonly id: string;
  /** The sequence of the last answer; what the model has to say is marked as target, its end token included. */
  render(example: Example): Segment[];
  /** Every sequence: more than one where the template renders earlier answers otherwise than at inference. */
  sequences(example: Example): Rendering;
  /** Only what goes before the (last) answer, for generating one. */
  prompt(example: Example): Segment[];
}
