import type { Part } from '../adapter/part.js';
import type { Arm } from '../contracts/messages.js';
import type { ClientInfo, StateDocument } from '../methods/method.js';
import type { OptimizerState } from '../methods/work.js';
import type { ExampleList, OwnerExamples } from './examples.js';
import type { ScoreMemory } from './scoreMemory.js';
import type { OwnerSetup } from './setup.js';

/** Where the states of one arm are kept, by turn; a StateStore. */
export interface OwnerStates {
  save(turn: number, document: unknown): void;
  load(turn: number): unknown;
  keepOnly(turns: readonly number[]): void;
}

/** One owner, ready for work: what each of its requests is done with. */
export interface OpenOwner {
  readonly client: ClientInfo;
  readonly setup: OwnerSetup;
  /** Its training examples; of all owners where it stands for them (`centralized`). */
  readonly train: ExampleList;
  /** All of its own examples. */
  readonly examples: OwnerExamples;
  readonly states: Readonly<Record<Arm, OwnerStates>>;
  /** Its adapters of their best rounds, by the round after which they were scored. */
  readonly best: OwnerStates & { turns(): number[] };
  /** The scores that it has taken. */
  readonly scored: ScoreMemory;
  throwIfStopped(): void;
}

/** What an owner keeps of a turn; all of it stays at home. */
export interface KeptTurn {
  /** What the method's half keeps; absent where it keeps nothing. */
  readonly state?: StateDocument;
  /** The adapter as its own training left it, before any merge; not of references, whose adapter it is anyway. */
  readonly unmerged?: Part;
  /** What the optimizers ended with, by track, where they go on in the next round. */
  readonly optimizers?: Readonly<Record<string, OptimizerState>>;
}

/** What was kept of a turn; nothing before the first (0). */
export const loadTurn = (states: OwnerStates, turn: number): KeptTurn =>
  turn === 0 ? {} : (states.load(turn) as KeptTurn);

/** Keeps a turn; each is kept, also where that is nothing: one that was not kept was not done. */
export const saveTurn = (states: OwnerStates, turn: number, kept: KeptTurn): void => states.save(turn, kept);
