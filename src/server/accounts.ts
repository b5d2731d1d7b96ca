import type { RunEvent } from '../contracts/events.js';
import type { Arm } from '../contracts/messages.js';
import type { ClientFailure } from './train.js';
import type { LoopHost, Received, Totals, Turns } from './types.js';

type Tokens = Pick<Totals, 'train' | 'search'>;

export function countTokens(received: readonly Received[]): Tokens {
  return received.reduce(
    (sum, { update: { tokens } }) => ({ train: sum.train + tokens.train, search: sum.search + tokens.search }),
    { train: 0, search: 0 },
  );
}

export function countBytes(received: readonly Received[]): { down: number; up: number } {
  return received.reduce((sum, { bytesDown, bytesUp }) => ({ down: sum.down + bytesDown, up: sum.up + bytesUp }), {
    down: 0,
    up: 0,
  });
}

/** Mean of the clients' last training losses. */
export function meanLoss(received: readonly Received[]): number | undefined {
  const losses = received.map(({ update }) => update.losses.at(-1)).filter((loss) => loss !== undefined);
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0) / losses.length;
}

/** The turns once these updates count: what their clients keep of them is what they go on from. */
export function acceptTurns(turns: Turns, arm: Arm, received: readonly Received[]): Turns {
  const accepted = Object.fromEntries(received.map(({ client, update }) => [client, update.turn]));
  return { ...turns, [arm]: { ...turns[arm], ...accepted } };
}

/** The causes of an error in words, outermost first. */
function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return causes;
}

/** Writes down who trained and who failed. */
export function emitClients(
  host: LoopHost,
  round: number,
  received: readonly Received[],
  failures: readonly ClientFailure[],
  dispatch?: number,
): void {
  const where = { round, ...(dispatch === undefined ? {} : { dispatch }) };
  for (const { client, update, seconds } of received) {
    const { train, search } = update.tokens;
    const event: RunEvent = {
      type: 'client',
      ...where,
      client,
      losses: update.losses,
      tokens: { train, search },
      seconds,
    };
    host.emit(event);
  }
  for (const { client, error } of failures) {
    const causes = causesOf(error);
    const more = causes.length > 0 ? { causes } : {};
    host.emit({ type: 'client_failed', ...where, client, code: error.code, message: error.message, ...more });
  }
}
