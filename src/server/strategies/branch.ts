import { concatComponents, type DenseAdapter, gatherComponents, leadingComponents } from '../../adapter/components.js';
import { type Adapter, type AdapterLayout, withRanks } from '../../adapter/layout.js';
import { foldExcessRank } from '../merge/lowRank.js';
import { wireBytes } from '../wire.js';
import type { ExtraState } from './averaging.js';

/** An adapter whose last components are the branch, with the bytes that keep these frozen. */
export interface BranchedAdapter {
  readonly adapter: Adapter;
  readonly trainable: Uint8Array;
}

/** `weight * B A` as components: A takes the weight. */
export function weighted({ layout, values }: DenseAdapter, weight: number): DenseAdapter {
  const scaled = values.slice();
  for (const { offsetA, offsetB } of layout.modules) {
    for (let p = offsetA; p < offsetB; p++) scaled[p] = weight * scaled[p]!;
  }
  return { layout, values: scaled };
}

/**
 * What flora and fedex-lora fold: a frozen low-rank product beside the base, in float32, that grows by the components of
 * every merge and is rewritten at rank min(in, out) when it passes that. It is part of every job and counts in its bytes.
 */
export class FrozenBranch {
  #held: DenseAdapter;

  constructor(base: AdapterLayout) {
    const layout = withRanks(base, () => 0);
    this.#held = { layout, values: new Float32Array(layout.size) };
  }

  get isEmpty(): boolean {
    return this.#held.layout.size === 0;
  }

  get held(): DenseAdapter {
    return this.#held;
  }

  get bytes(): number {
    return wireBytes({ layout: this.#held.layout });
  }

  /** Largest rank of a module. */
  get rank(): number {
    return this.#held.layout.modules.reduce((most, { rank }) => Math.max(most, rank), 0);
  }

  append(parts: readonly DenseAdapter[]): void {
    this.#held = foldExcessRank(concatComponents([this.#held, ...parts]));
  }

  /** The layout of `fresh` with the branch behind it. */
  layoutWith(fresh: AdapterLayout): AdapterLayout {
    let next = 0;
    return withRanks(fresh, ({ rank }) => rank + this.#held.layout.modules[next++]!.rank);
  }

  /** A trainable adapter with the branch behind it. */
  join(fresh: DenseAdapter): BranchedAdapter {
    const { layout, values } = concatComponents([fresh, this.#held]);
    const ones = new Uint8Array(fresh.layout.size).fill(1);
    const frozen: DenseAdapter = { layout: this.#held.layout, values: new Float32Array(this.#held.layout.size) };
    const flags = concatComponents([{ layout: fresh.layout, values: Float32Array.from(ones) }, frozen]);
    return { adapter: { layout, values, mask: null }, trainable: Uint8Array.from(flags.values) };
  }

  /** The trainable part of a joined adapter. */
  detach(joined: DenseAdapter, fresh: AdapterLayout): DenseAdapter {
    return { layout: fresh, values: gatherComponents(leadingComponents(joined.layout, fresh), joined.values) };
  }

  state(): ExtraState {
    return {
      'branch/values': this.#held.values,
      'branch/ranks': Float32Array.from(this.#held.layout.modules, ({ rank }) => rank),
    };
  }

  restore(tensors: Readonly<ExtraState>): void {
    const ranks = tensors['branch/ranks'] as Float32Array;
    let next = 0;
    const layout = withRanks(this.#held.layout, () => ranks[next++]!);
    this.#held = { layout, values: tensors['branch/values'] as Float32Array };
  }
}
