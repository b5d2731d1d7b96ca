import { type Factors, factorMask } from '../adapter/factors.js';
import type { AdapterLayout } from '../adapter/layout.js';
import { countOnes, intersectMasks } from '../adapter/masks.js';

const BYTES_PER_VALUE = 4;

/** What of an adapter travels. */
export interface Shipment {
  readonly layout: AdapterLayout;
  /** Values go only where it is 1; null: everywhere. */
  readonly mask?: Uint8Array | null;
  /** @default 'both' */
  readonly factors?: Factors;
  /** The mask itself travels too: a bit an entry, or a bit a rank component. @default 'none' */
  readonly sendMask?: 'none' | 'element' | 'rank';
}

/** Bytes of a shipment on a real wire: float32 values where the mask is 1, and the mask as bits. */
export function wireBytes({ layout, mask = null, factors = 'both', sendMask = 'none' }: Shipment): number {
  const sent = intersectMasks(mask, factorMask(layout, factors));
  const values = (sent === null ? layout.size : countOnes(sent)) * BYTES_PER_VALUE;
  if (sendMask === 'none') return values;
  const bits = sendMask === 'element' ? layout.size : layout.modules.reduce((sum, { rank }) => sum + rank, 0);
  return values + Math.ceil(bits / 8);
}
