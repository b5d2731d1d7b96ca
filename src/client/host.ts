import type { RunConfig } from '../config/schema.js';
import type { BaseModel, Tokenizer } from '../model/index.js';
import type { ClientEnv } from './env.js';

/** A base without its tokenizer, which only who reads rows needs. */
export type OwnerModel = Omit<BaseModel, 'tokenizer'>;

/** The engine of one thread over one base. */
export interface OwnerEngine {
  /** The kernel set in use. */
  readonly kernels: string;
  readonly env: ClientEnv;
}

/** Where owners live: a thread of the server's process, a process or a machine of their own, a test. */
export interface OwnerHost {
  /** The base's header and shapes; may be at hand already. */
  ownerModel(config: RunConfig): Promise<OwnerModel>;
  /** The tokenizer of that base. */
  tokenizer(model: OwnerModel): Promise<Tokenizer>;
  /** The engine for this configuration; one at a time. */
  engine(config: RunConfig, model: OwnerModel): OwnerEngine;
  /** Throws InterruptedError where nothing more is to be done or written: the run ends, or its server is gone. */
  throwIfStopped(): void;
}
