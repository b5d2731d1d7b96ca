export { ownerFolders } from './folders.js';
export { checkOwnerId, checkOwnerIds, MAX_OWNER_ID } from './ownerIds.js';
export { PARTITIONERS, type Partition, partitionExamples } from './partition.js';
export type { ClientSplit, Division, Partitioner, PartitionItem, PartitionParams } from './types.js';
