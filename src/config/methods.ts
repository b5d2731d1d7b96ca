/** Every method by its id; `docs/methods.md` has a section for each. */
export const METHODS = [
  'fedavg',
  'local',
  'centralized',
  'fedprox',
  'scaffold',
  'ditto',
  'fedavgm',
  'fedadagrad',
  'fedadam',
  'fedyogi',
  'ffa-lora',
  'fedsa-lora',
  'rolora',
  'hetlora',
  'flexlora',
  'flora',
  'fedex-lora',
  'perfit',
] as const;
export type MethodId = (typeof METHODS)[number];

/** Methods that can merge adapters of unlike ranks. */
export const MIXED_RANK_METHODS: readonly string[] = ['perfit', 'hetlora', 'flexlora', 'flora', 'local'];

/** Factor-wise means that a robust merge can stand in for. */
export const ROBUST_METHODS: readonly string[] = ['fedavg', 'fedprox', 'ffa-lora', 'fedsa-lora', 'rolora', 'perfit'];

/** Methods whose update can be moved onto a later global adapter, as late and asynchronous updates must be. */
export const REBASABLE_METHODS: readonly string[] = [
  'fedavg',
  'fedprox',
  'fedavgm',
  'fedadagrad',
  'fedadam',
  'fedyogi',
  'ffa-lora',
  'perfit',
];

/** Methods that average factors from one round to the next, so that there is a global step to mutate along. */
export const MUTABLE_METHODS: readonly string[] = [
  'fedavg',
  'fedprox',
  'scaffold',
  'ditto',
  'fedavgm',
  'fedadagrad',
  'fedadam',
  'fedyogi',
  'ffa-lora',
  'fedsa-lora',
  'rolora',
  'hetlora',
  'fedex-lora',
  'perfit',
];
