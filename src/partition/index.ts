export { ownerFolders } from './folders.js';
export { checkOwnerId, checkOwnerIds, MAX_OWNER_ID } from './ownerIds.js';
export { type Dealing, dealExamples, PARTITIONERS } from './partition.js';
export { type SplitCandidate, type SplitParams, type SplitResult, splitCandidates } from './split.js';
export type { Division, Partitioner, PartitionItem, PartitionParams } from './types.js';
