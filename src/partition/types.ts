/** What a partitioner sees of an example. */
export interface PartitionItem {
  /** Index of the example in the data set. */
  readonly index: number;
  readonly category?: string | undefined;
  readonly owner?: string | undefined;
  /** Value of the column that `partition: column` goes by. */
  readonly label?: string | undefined;
  /** Which of several data sets it is of. */
  readonly domain?: string | undefined;
}

export interface PartitionParams {
  /** null: as many as the data has (natural, category, column, domain), else 8. */
  readonly numClients: number | null;
  readonly dirichletAlpha: number;
  readonly shardsPerClient: number;
  readonly quantityAlpha: number;
  readonly categoriesPerClient: number;
  /** Examples of each client, or shares of the data; null: none are listed. */
  readonly clientSizes: readonly number[] | null;
  readonly minExamples: number;
  readonly seed: number;
}

/** Indices of the examples of each client, by the client's id. */
export type Division = ReadonlyMap<string, readonly number[]>;

/** Divides examples among clients; equal items and parameters give an equal division. Throws ConfigError. */
export type Partitioner = (items: readonly PartitionItem[], params: PartitionParams) => Division;
