import { type MaskedClient, perfitSvg } from '../report/perfitSvg.js';
import type { FinishedRun } from '../server/finish.js';

/** The picture of the architectures that clients found (PerFIT), or undefined where no client has a mask. */
export function maskPicture({ clients, global, masks }: FinishedRun): string | undefined {
  if (!global) return undefined;
  const masked = clients.flatMap(({ client: { id }, test, takeHome }): MaskedClient[] => {
    const mask = masks.get(id);
    return mask ? [{ id, ppl: test[takeHome]?.ppl, adapter: { ...global, mask } }] : [];
  });
  return masked.length > 0 ? perfitSvg(masked) : undefined;
}
