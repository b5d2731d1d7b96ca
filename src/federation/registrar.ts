import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { FedtuneError } from '../errors.js';
import { printable } from '../text.js';
import { agentJwt } from './accounts.js';
import { type Enrolment, type FederationFolder, type OwnerRecord, publicKey } from './folder.js';
import type { Invite } from './invite.js';
import { isSignedBy, publicKeyOf, sign } from './keys.js';
import { Streams } from './streams.js';
import { ENROL_SUBJECT, OWNER_SUBJECTS } from './subjects.js';

/** What an owner asks: to be known by these public keys. The signature is that of `signing`, over both and the account. */
const requestSchema = z.strictObject({
  invite: publicKey,
  user: publicKey,
  signing: publicKey,
  signature: z.string().max(200),
});
const replySchema = z.union([
  z.strictObject({ jwt: z.string().max(10_000) }),
  z.strictObject({ code: z.string().regex(/^[A-Z_]{1,40}$/), message: z.string().max(2000) }),
]);
const MAX_BYTES = 4096;

const toSign = (account: string, user: string, signing: string): Uint8Array =>
  new TextEncoder().encode(`fedtune enrolment 1\n${account}\n${user}\n${signing}\n`);

function readRequest(data: Uint8Array, account: string): z.output<typeof requestSchema> {
  let value: unknown;
  try {
    value = data.length > MAX_BYTES ? undefined : JSON.parse(new TextDecoder().decode(data));
  } catch {
    // As for any other form.
  }
  const parsed = requestSchema.safeParse(value);
  if (!parsed.success) throw new FedtuneError('BAD_MESSAGE', 'The request to be taken in cannot be read.');
  const { user, signing, signature } = parsed.data;
  if (!isSignedBy(signing, toSign(account, user, signing), signature)) {
    throw new FedtuneError(
      'BAD_SIGNATURE',
      'Expected the request to be taken in to be signed with the key that it names.',
    );
  }
  return parsed.data;
}

/** Takes an owner in by its invite: the first that comes with it, and the same one again. */
async function enrol(
  folder: FederationFolder,
  owner: OwnerRecord | undefined,
  data: Uint8Array,
  account: string,
): Promise<string> {
  if (owner === undefined || owner.isRemoved) {
    throw new FedtuneError('REVOKED', 'Expected an owner of this federation but it was removed.');
  }
  const { invite, user, signing } = readRequest(data, account);
  if (invite !== owner.invite)
    throw new FedtuneError('REVOKED', `Expected the last invite of ${owner.name} but an older one was used.`);
  const enrolment: Enrolment = { user, signing, at: new Date().toISOString() };
  const known = folder.enrolment(owner);
  if (known === undefined && owner.expires * 1000 < Date.now()) {
    throw new FedtuneError('INVITE_EXPIRED', `Expected an invite that is valid but that of ${owner.name} has expired.`);
  }
  const isFirst = known === undefined && (await folder.enrol(owner, enrolment));
  const now = isFirst ? enrolment : folder.enrolment(owner);
  if (now?.user !== user || now.signing !== signing) {
    throw new FedtuneError(
      'INVITE_USED',
      `Expected an invite that nobody has used but that of ${owner.name} was used already. If that was not you, ` +
        'let the coordinator know and ask for a new one (fedtune federation rotate).',
    );
  }
  return agentJwt(owner.name, user, owner.account);
}

/** Answers owners that take up their invites, while the connection stands. */
export function startRegistrar(
  folder: FederationFolder,
  connection: NatsConnection,
  onStatus: (text: string) => void,
): void {
  const streams = new Streams(connection, 'the coordinator');
  const answer = async (message: Msg) => {
    const account = message.subject.split('.').at(-1)!;
    let owner: OwnerRecord | undefined;
    try {
      owner = await folder.ownerOf(account);
      const jwt = await enrol(folder, owner, message.data, account);
      await streams.ensure(account, 0);
      message.respond(JSON.stringify({ jwt }));
      onStatus(`${owner!.name} has joined`);
    } catch (error) {
      const known =
        error instanceof FedtuneError ? error : new FedtuneError('INTERNAL', 'The coordinator could not answer.');
      message.respond(JSON.stringify({ code: known.code, message: known.message }));
      onStatus(`refused ${owner?.name ?? 'an unknown owner'} (${known.code}): ${(error as Error).message}`);
    }
  };
  connection.subscribe(ENROL_SUBJECT, {
    queue: 'registrar',
    callback: (error, message) => {
      if (!error) void answer(message);
    },
  });
}

/** Asks to be taken in with these seeds. The JWT of the owner's user. Throws FedtuneError INVITE_USED, REVOKED, ... */
export async function askToJoin(
  connection: NatsConnection,
  { account, seed }: Invite,
  seeds: { readonly user: string; readonly signing: string },
  timeout: number,
): Promise<string> {
  const [user, signing] = [publicKeyOf(seeds.user), publicKeyOf(seeds.signing)];
  const signature = sign(toSign(account, user, signing), seeds.signing);
  const request = { invite: publicKeyOf(seed), user, signing, signature };
  const reply = await connection.request(OWNER_SUBJECTS.enrol, JSON.stringify(request), { timeout });
  const parsed = replySchema.safeParse(reply.json());
  if (!parsed.success)
    throw new FedtuneError(
      'BAD_MESSAGE',
      'The answer of the coordinator to the request to be taken in cannot be read.',
    );
  if ('jwt' in parsed.data) return parsed.data.jwt;
  throw new FedtuneError(parsed.data.code, printable(parsed.data.message));
}
