import type { Arm } from '../contracts/messages.js';
import type { ClientHalf, ClientInfo, StateDocument } from '../methods/method.js';
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
  /** The scores that it has taken. */
  readonly scored: ScoreMemory;
  throwIfStopped(): void;
}

/** What is saved of a turn; `state` is absent where nothing was kept then. */
interface SavedTurn {
  readonly state?: StateDocument;
}

/** The kept state after a turn; undefined before the first (0), and for a method that keeps nothing. */
export function loadState(states: OwnerStates, half: ClientHalf, turn: number): StateDocument | undefined {
  if (turn === 0 || half.keepsState === false) return undefined;
  return (states.load(turn) as SavedTurn).state;
}

/** Saves the state after a turn. A method that keeps some saves each turn: one without a saved state was not done. */
export function saveState(states: OwnerStates, half: ClientHalf, turn: number, state: StateDocument | undefined): void {
  if (half.keepsState === false) return;
  states.save(turn, (state === undefined ? {} : { state }) satisfies SavedTurn);
}
