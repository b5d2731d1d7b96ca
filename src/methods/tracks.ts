import { FedtuneError } from '../errors.js';
import type { TrackResult } from './work.js';

/** The result of a track by its name. Throws FedtuneError MISSING_TRACK. */
export function trackOf(results: readonly TrackResult[], name: string): TrackResult {
  const track = results.find((candidate) => candidate.name === name);
  if (track !== undefined) return track;
  const names = results.map((result) => result.name).join(', ') || 'none';
  throw new FedtuneError('MISSING_TRACK', `Expected a track "${name}" in a client's work but it has ${names}.`);
}
