import type { WireError } from '../contracts/messages.js';
import { toWireError } from '../contracts/wireError.js';
import { encodeMessage, joinMessage } from '../links/index.js';

/** Without the paths of this machine. */
function withoutStacks(error: WireError): WireError {
  return { ...error, stack: null, cause: error.cause && withoutStacks(error.cause) };
}

/** What an owner answers where it cannot, or will not. */
export const errorReply = (error: unknown): Uint8Array =>
  joinMessage(encodeMessage({ kind: 'error', error: withoutStacks(toWireError(error)) }));
