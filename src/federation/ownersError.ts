import { isGone } from '../contracts/isFinal.js';
import type { Request } from '../contracts/messages.js';
import { FedtuneError, InterruptedError } from '../errors.js';
import { shown } from '../text.js';

/** Letters of what an owner says of an error. */
const MAX_SHOWN = 1000;

/** What an owner says of an error, so that it acts on no terminal. */
export const shownOf = ({ message }: Error): string => shown(message, MAX_SHOWN);

/**
 * What goes wrong with one owner, as that owner's alone: nothing that it sends ends the run of the others, or acts on a terminal. Before the
 * first round it does, as there is no run without its description.
 */
export function ownersError(owner: string, kind: Request['kind'], error: unknown): unknown {
  if (!(error instanceof FedtuneError) || isGone(error)) return error;
  const message = shownOf(error);
  if (kind === 'score' || kind === 'finish') {
    return new FedtuneError('OWNER_FAILED', `${owner} gave no scores (${shown(error.code)}): ${message}`, {
      cause: error,
    });
  }
  const isItsOwn = kind === 'train' && !(error instanceof InterruptedError);
  if (!isItsOwn) return new FedtuneError(shown(error.code), `${owner}: ${message}`, { cause: error });
  error.message = message;
  return error;
}
