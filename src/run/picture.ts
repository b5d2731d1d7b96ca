import { type MaskedClient, perfitSvg } from '../report/perfitSvg.js';
import type { FinishedRun } from '../server/finish.js';

/** The picture of the architectures that clients found (PerFIT), or undefined where no client has a mask. */
export function maskPicture({ clients }: FinishedRun): string | undefined {
  const masked = clients.flatMap(({ client, personalized }): MaskedClient[] =>
    personalized?.mask ? [{ id: client.id, adapter: personalized }] : [],
  );
  return masked.length > 0 ? perfitSvg(masked) : undefined;
}
