import { z } from 'zod';

/** The server's learning rate, which all methods with a server optimizer share. */
export const server_lr = z
  .number()
  .positive()
  .nullable()
  .default(null)
  .describe('Server learning rate; null: 1e-2 for adaptive servers, 1 for fedavgm.');
