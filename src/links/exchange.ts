import type { ReplyTo, Request } from '../contracts/messages.js';
import { fromWireError } from '../contracts/wireError.js';
import { FedtuneError } from '../errors.js';
import { bytesOf, type CarriedMessage, decodeReply, type EncodedMessage, encodeMessage, joinMessage } from './codec.js';
import type { Answer, Tap } from './link.js';

const REPLY_KIND = { describe: 'description', train: 'update', score: 'scored', finish: 'finished' } as const;

/**
 * One request and its reply: encodes, carries by `carry`, decodes and checks, the same for every link. Throws what the owner threw;
 * FedtuneError BAD_MESSAGE for a reply that is none to this request.
 */
export async function exchange<R extends Request>(
  owner: string,
  request: R,
  carry: (message: EncodedMessage) => Promise<CarriedMessage>,
  tap?: Tap,
): Promise<Answer<R['kind']>> {
  const message = encodeMessage(request);
  tap?.(owner, 'down', joinMessage(message));
  const answer = await carry(message);
  tap?.(owner, 'up', answer instanceof Uint8Array ? answer : joinMessage(answer));
  const reply = decodeReply(answer);
  if (reply.kind === 'error') throw fromWireError(reply.error);
  const kind = REPLY_KIND[request.kind];
  if (reply.kind !== kind) {
    throw new FedtuneError('BAD_MESSAGE', `Expected a ${kind} from ${owner} but received a ${reply.kind}.`);
  }
  return { reply: reply as ReplyTo[R['kind']], bytesDown: message.bytes, bytesUp: bytesOf(answer) };
}

/** The home of an owner. Throws FedtuneError UNKNOWN_OWNER. */
export function homeOf<Home extends { readonly id: string }>(homes: ReadonlyMap<string, Home>, owner: string): Home {
  const home = homes.get(owner);
  if (home !== undefined) return home;
  throw new FedtuneError('UNKNOWN_OWNER', `Expected one of ${homes.size} owners but was asked for ${owner}.`);
}
