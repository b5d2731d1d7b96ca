import { bellmoor, fernhill, gable, hollow } from './brisk.mjs';
import { ashgrove, castle, dunlin, eastgate } from './formal.mjs';

/** The eight owners, the largest first. */
export const OWNERS = [ashgrove, bellmoor, castle, dunlin, eastgate, fernhill, gable, hollow];
