import { concatComponents, type DenseAdapter, gatherComponents, leadingComponents } from '../adapter/components.js';
import { type Adapter, type AdapterLayout, withRanks } from '../adapter/layout.js';
import { type Part, packPart, partBytes, unpackPart } from '../adapter/part.js';
import type { Arithmetic } from '../merge/arithmetic.js';
import { sumOfAdapters } from '../merge/lowRank.js';
import type { WeightedAdapter } from '../merge/productSum.js';
import type { StateDocument } from './method.js';

/** An adapter whose last components are the branch, with the bytes that keep these frozen. */
export interface BranchedAdapter {
  readonly adapter: Adapter;
  readonly trainable: Uint8Array;
}

/** A trainable adapter with the frozen branch behind it. */
export function joinBranch(fresh: DenseAdapter, branch: DenseAdapter): BranchedAdapter {
  const { layout, values } = concatComponents([fresh, branch]);
  const ones = new Float32Array(fresh.layout.size).fill(1);
  const zeros = new Float32Array(branch.layout.size);
  const flags = concatComponents([
    { layout: fresh.layout, values: ones },
    { layout: branch.layout, values: zeros },
  ]);
  return { adapter: { layout, values, mask: null }, trainable: Uint8Array.from(flags.values) };
}

/** The trainable part of a joined adapter. */
export function detachBranch(joined: DenseAdapter, fresh: AdapterLayout): Adapter {
  return {
    layout: fresh,
    values: gatherComponents(leadingComponents(joined.layout, fresh), joined.values),
    mask: null,
  };
}

/**
 * What flora and fedex-lora fold: a frozen low-rank product beside the base, in float32, that grows by the components of
 * every merge and is rewritten at rank min(in, out) when it passes that. It travels with every round and counts in its bytes.
 */
export class FrozenBranch {
  readonly #base: AdapterLayout;
  readonly #arithmetic: Arithmetic;
  /** The branch as it travels and is saved; made anew at each merge. */
  #part: Part;
  #held: DenseAdapter;

  constructor(base: AdapterLayout, arithmetic: Arithmetic) {
    const layout = withRanks(base, () => 0);
    this.#base = base;
    this.#arithmetic = arithmetic;
    this.#held = { layout, values: new Float32Array(layout.size) };
    this.#part = packPart({ ...this.#held, mask: null });
  }

  get isEmpty(): boolean {
    return this.#held.layout.size === 0;
  }

  get held(): DenseAdapter {
    return this.#held;
  }

  get part(): Part {
    return this.#part;
  }

  /** What is logged after a merge: the largest rank of a module, and the bytes of sending all of it. */
  metrics(): { readonly branchRank: number; readonly branchBytes: number } {
    const branchRank = this.#held.layout.modules.reduce((most, { rank }) => Math.max(most, rank), 0);
    return { branchRank, branchBytes: partBytes(this.#part) };
  }

  /** Adds products to the branch. */
  append(adapters: readonly WeightedAdapter[]): void {
    const sum = sumOfAdapters([{ ...this.#held, weight: 1 }, ...adapters], this.#arithmetic);
    this.#part = packPart({ ...sum, mask: null });
    this.#held = unpackPart(this.#part, this.#base);
  }

  state(): StateDocument {
    return this.#part;
  }

  restore(state: StateDocument): void {
    this.#part = state as Part;
    this.#held = unpackPart(this.#part, this.#base);
  }
}
