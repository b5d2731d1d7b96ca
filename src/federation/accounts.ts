import { type Export, encodeAccount, encodeOperator, encodeUser, type Import } from '@nats-io/jwt';
import { keyOf } from './keys.js';
import { OWNER_SUBJECTS, subjectsOf } from './subjects.js';

/** Bytes of one message at most: a piece of 1 MiB and its headers. */
export const MAX_PAYLOAD = 2 * 1024 * 1024;

const UNLIMITED = { data: -1, subs: -1, payload: -1, conn: -1, leaf: 0, imports: -1, exports: -1, wildcards: true };
const NO_JETSTREAM = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 };

/** What owners reach of the coordinator's account: each under its own account's key alone, which the server enforces. */
const EXPORTS: Export[] = [
  { name: 'tasks', subject: 'fed.task.*', type: 'stream', account_token_position: 3 },
  { name: 'replies', subject: 'fed.reply.*', type: 'service', account_token_position: 3 },
  { name: 'pieces', subject: 'fed.up.*.*.*', type: 'service', account_token_position: 3 },
  { name: 'reading', subject: '$JS.API.DIRECT.GET.*.>', type: 'service', account_token_position: 5 },
  { name: 'enrolment', subject: 'fed.enrol.*', type: 'service', account_token_position: 3 },
];

function importsOf(owner: string, coordinator: string): Import[] {
  const { task, reply, up } = subjectsOf(owner);
  const from = (name: string, type: Import['type'], subject: string, local: string): Import => ({
    ...{ name, type, subject, account: coordinator, local_subject: local },
  });
  return [
    from('task', 'stream', task, OWNER_SUBJECTS.task),
    from('reply', 'service', reply, OWNER_SUBJECTS.reply),
    from('pieces', 'service', `${up}.*.*`, `${OWNER_SUBJECTS.up}.*.*`),
    from('reading', 'service', `$JS.API.DIRECT.GET.${owner}.>`, `${OWNER_SUBJECTS.get}.>`),
    from('enrolment', 'service', `fed.enrol.${owner}`, OWNER_SUBJECTS.enrol),
  ];
}

export const operatorJwt = (name: string, operatorSeed: string, systemAccount: string): Promise<string> =>
  encodeOperator(name, keyOf(operatorSeed), { system_account: systemAccount });

export const systemJwt = (account: string, operatorSeed: string): Promise<string> =>
  encodeAccount('SYS', account, { limits: { ...UNLIMITED, ...NO_JETSTREAM } }, { signer: keyOf(operatorSeed) });

export const coordinatorJwt = (account: string, operatorSeed: string): Promise<string> =>
  encodeAccount(
    'coordinator',
    account,
    {
      exports: EXPORTS,
      limits: { ...UNLIMITED, mem_storage: 0, disk_storage: -1, streams: -1, consumer: -1 },
    },
    { signer: keyOf(operatorSeed) },
  );

/** The connections an owner may have at once: its agent, and the same one again after a break that the server has not seen yet. */
const OWNER_CONNECTIONS = 8;

/** An owner's account. `revoked`: users that are no longer let in, with the second up to which they are not; `isRemoved`: nobody is. */
export function ownerJwt(params: {
  readonly name: string;
  readonly account: string;
  readonly coordinator: string;
  readonly revoked: Readonly<Record<string, number>>;
  readonly isRemoved: boolean;
  readonly operatorSeed: string;
}): Promise<string> {
  const { name, account, coordinator, revoked, isRemoved, operatorSeed } = params;
  return encodeAccount(
    name,
    account,
    {
      imports: isRemoved ? [] : importsOf(account, coordinator),
      revocations: { ...revoked },
      limits: {
        ...UNLIMITED,
        ...NO_JETSTREAM,
        exports: 0,
        conn: isRemoved ? 0 : OWNER_CONNECTIONS,
        payload: MAX_PAYLOAD,
      },
    },
    { signer: keyOf(operatorSeed) },
  );
}

/** A user of the coordinator or of the system account, who may do everything there. */
export const ownUserJwt = (name: string, user: string, accountSeed: string): Promise<string> =>
  encodeUser(name, user, keyOf(accountSeed), { data: -1, subs: -1, payload: -1 });

/** The user of an owner's agent. */
export const agentJwt = (owner: string, user: string, accountSeed: string): Promise<string> =>
  encodeUser(owner, user, keyOf(accountSeed), {
    ...{ data: -1, subs: 64, payload: MAX_PAYLOAD },
    pub: { allow: [OWNER_SUBJECTS.reply, `${OWNER_SUBJECTS.up}.*.*`, `${OWNER_SUBJECTS.get}.>`] },
    sub: { allow: ['_INBOX.>', OWNER_SUBJECTS.task] },
  });

/** Who holds an invite: may ask to be taken in, and nothing else. `expires`: seconds since 1970. */
export const inviteJwt = (owner: string, user: string, accountSeed: string, expires: number): Promise<string> =>
  encodeUser(
    `invite of ${owner}`,
    user,
    keyOf(accountSeed),
    {
      ...{ data: -1, subs: 8, payload: 65_536 },
      pub: { allow: [OWNER_SUBJECTS.enrol] },
      sub: { allow: ['_INBOX.>'] },
    },
    { exp: expires },
  );
