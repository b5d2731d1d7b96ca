import type { Evaluation, Which } from '../contracts/evaluation.js';
import { isLower } from '../contracts/score.js';
import type { Federation, LoopHost, LoopState } from './types.js';

/** The evaluation with the lowest mean loss, the earliest of equal ones; undefined where none has that score. */
export function bestEvaluation(evaluations: readonly Evaluation[], which: Which): Evaluation | undefined {
  return evaluations.reduce<Evaluation | undefined>((best, evaluation) => {
    const nll = evaluation.macro[which]?.nll;
    return nll !== undefined && isLower(nll, best?.macro[which]?.nll) ? evaluation : best;
  }, undefined);
}

/** What the rounds of a run are compared by: the most personal of what its method gives. */
export const comparedBy = ({ capabilities }: Pick<Federation, 'capabilities'>): Which => capabilities.gives.at(-1)!;

/** Remembers the server's half where the shared adapter has just had its best evaluation. */
export function keepBest({ config, capabilities }: Federation, state: LoopState): LoopState {
  if (config.keep === 'last' || !capabilities.gives.includes('global')) return state;
  const { round } = state;
  if (bestEvaluation(state.evaluations, 'global')?.round !== round) return state;
  // The half goes on from its own state, which a method of the user's may write to.
  return { ...state, best: { round, server: structuredClone(state.server.main) } };
}

/** Whether the last evaluations found nothing better than one before them. Depends on these alone, so a resumed run ends where it ended. */
export function stopsEarly(federation: Federation, state: LoopState, host: LoopHost): boolean {
  const patience = federation.config.early_stopping_patience;
  if (patience === null) return false;
  const which = comparedBy(federation);
  const scored = state.evaluations.filter(({ macro }) => macro[which] !== undefined);
  const best = bestEvaluation(scored, which);
  if (best === undefined || scored.length - 1 - scored.indexOf(best) < patience) return false;
  host.progress({ kind: 'stopped', round: state.round, best: best.round });
  return true;
}
