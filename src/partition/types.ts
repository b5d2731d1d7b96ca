/** What a partitioner sees of an example. */
export interface PartitionItem {
  /** Index of the example in the data set. */
  readonly index: number;
  readonly category?: string | undefined;
  readonly owner?: string | undefined;
}

export interface PartitionParams {
  /** null: as many as the data has (natural, category), else 8. */
  readonly numClients: number | null;
  readonly dirichletAlpha: number;
  readonly shardsPerClient: number;
  readonly quantityAlpha: number;
  readonly minExamples: number;
  readonly seed: number;
}

/** Indices of the examples of each client, by the client's id. */
export type Division = ReadonlyMap<string, readonly number[]>;

/** Divides examples among clients; equal items and parameters give an equal division. Throws ConfigError. */
export type Partitioner = (items: readonly PartitionItem[], params: PartitionParams) => Division;
