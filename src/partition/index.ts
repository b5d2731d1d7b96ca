export { ownerFolders } from './folders.js';
export { PARTITIONERS, type Partition, partitionExamples } from './partition.js';
export type { ClientSplit, Division, Partitioner, PartitionItem, PartitionParams } from './types.js';
