import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { decode } from '@nats-io/jwt';
import { createAccount, createOperator, createUser } from '@nats-io/nkeys';
import { z } from 'zod';
import { ConfigError, FedtuneError } from '../errors.js';
import { makeFolder, writeAtomic } from '../files.js';
import { coordinatorJwt, operatorJwt, ownerJwt, ownUserJwt, systemJwt } from './accounts.js';
import { publicKeyOf } from './keys.js';
import { readJson, writeSecret, writeSecretOnce } from './secretFiles.js';
import { type Endpoint, parseEndpoint, serverConfig } from './serverConfig.js';

const seed = z.string().regex(/^S[A-Z2-7]{50,80}$/);
export const publicKey = z.string().regex(/^[AUON][A-Z2-7]{55}$/);
/** Names of federations and owners go into files, tables and shells; in lower case, as some file systems know no other. */
export const nameSchema = z.string().regex(/^(?!global$)[a-z0-9][a-z0-9_-]{0,62}$/);

const federationSchema = z.strictObject({
  version: z.literal(1),
  name: nameSchema,
  /** Where owners find the server. */
  url: z.string(),
  /** What owners trust, PEM. */
  ca: z.string(),
});

const keysSchema = z.strictObject({
  operator: seed,
  systemAccount: seed,
  systemUser: seed,
  account: seed,
  user: seed,
  signing: seed,
});

const ownerSchema = z.strictObject({
  name: nameSchema,
  account: seed,
  /** Public key of the invite that counts, and the second in which it expires. */
  invite: publicKey,
  expires: z.int(),
  /** Users that are no longer let in, with the second up to which. */
  revoked: z.record(z.string(), z.int()),
  isRemoved: z.boolean(),
});

const enrolmentSchema = z.strictObject({ user: publicKey, signing: publicKey, at: z.string() });

export type Keys = z.output<typeof keysSchema>;
export type OwnerRecord = z.output<typeof ownerSchema>;
/** The public keys that an owner made when it took up its invite. */
export type Enrolment = z.output<typeof enrolmentSchema>;

const newSeed = (make: typeof createUser): string => new TextDecoder().decode(make().getSeed());
export const newUserSeed = (): string => newSeed(createUser);

/** Checks a name. Throws ConfigError. */
export function checkName(what: string, name: string): string {
  if (nameSchema.safeParse(name).success) return name;
  throw new ConfigError(
    `Expected the name of ${what} to be small letters, digits, "-" and "_" (at most 63, and not global) but received ${JSON.stringify(name.slice(0, 80))}.`,
  );
}

/** The folder of a federation at its coordinator: keys, accounts, the server's configuration, who was invited and who came. */
export class FederationFolder {
  readonly dir: string;
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly ca: string;
  readonly keys: Keys;

  private constructor(dir: string, { name, url, ca }: z.output<typeof federationSchema>, keys: Keys) {
    this.dir = dir;
    this.name = name;
    this.endpoint = parseEndpoint(url);
    this.ca = ca;
    this.keys = keys;
  }

  /** Makes a federation. Throws ConfigError; FedtuneError EXISTS; RunError WRITE_FAILED. */
  static async create(folder: string, url: string): Promise<FederationFolder> {
    const dir = resolve(folder);
    const name = checkName('a federation', basename(dir));
    const endpoint = parseEndpoint(url);
    const found = existsSync(dir) ? readdirSync(dir) : [];
    if (found.length > 0) {
      const what = found.includes('federation.json') ? 'a federation already' : 'other files';
      throw new FedtuneError('EXISTS', `Expected a new folder but ${dir} holds ${what}. Choose another one.`);
    }
    await makeFolder(dir);
    await chmod(dir, 0o700);
    for (const part of ['tls', 'jwt', 'owners']) await mkdir(join(dir, part), { recursive: true, mode: 0o700 });
    const keys: Keys = {
      operator: newSeed(createOperator),
      systemAccount: newSeed(createAccount),
      systemUser: newUserSeed(),
      account: newSeed(createAccount),
      user: newUserSeed(),
      signing: newUserSeed(),
    };
    // Needed once in the life of a federation, and slow to load.
    const { makeCertificates } = await import('./certificates.js');
    const { ca, server, serverKey } = await makeCertificates(name, [
      ...new Set([endpoint.host, 'localhost', '127.0.0.1']),
    ]);
    await writeAtomic(join(dir, 'tls/ca.pem'), ca);
    await writeAtomic(join(dir, 'tls/server.pem'), server);
    await writeSecret(join(dir, 'tls/server.key'), serverKey);
    await writeSecret(join(dir, 'keys.json'), `${JSON.stringify(keys, null, 2)}\n`);
    const system = publicKeyOf(keys.systemAccount);
    const coordinator = publicKeyOf(keys.account);
    await writeAtomic(join(dir, `jwt/${system}.jwt`), await systemJwt(system, keys.operator));
    await writeAtomic(join(dir, `jwt/${coordinator}.jwt`), await coordinatorJwt(coordinator, keys.operator));
    const operator = await operatorJwt(name, keys.operator, system);
    await writeAtomic(join(dir, 'nats-server.conf'), serverConfig({ dir, endpoint, operator, systemAccount: system }));
    // Last: where it is, all else is.
    const record = { version: 1 as const, name, url: endpoint.url, ca };
    await writeAtomic(join(dir, 'federation.json'), `${JSON.stringify(record, null, 2)}\n`);
    return new FederationFolder(dir, record, keys);
  }

  /** Throws FedtuneError NO_FEDERATION, DAMAGED. */
  static open(folder: string): FederationFolder {
    const dir = resolve(folder);
    const record = readJson(join(dir, 'federation.json'), (value) => federationSchema.parse(value));
    const keys = record && readJson(join(dir, 'keys.json'), (value) => keysSchema.parse(value));
    if (record && keys) return new FederationFolder(dir, record, keys);
    throw new FedtuneError(
      'NO_FEDERATION',
      `Expected the folder of a federation at ${dir} but it has no ${record ? 'keys.json' : 'federation.json'}. ` +
        'Make one with: fedtune federation init DIR',
    );
  }

  get account(): string {
    return publicKeyOf(this.keys.account);
  }

  /** The public key with which the coordinator signs what it asks. */
  get signingKey(): string {
    return publicKeyOf(this.keys.signing);
  }

  /** JWT of the coordinator's own user, or of that of the system account. */
  userJwt(kind: 'coordinator' | 'system'): Promise<string> {
    const { user, account, systemUser, systemAccount } = this.keys;
    return kind === 'coordinator'
      ? ownUserJwt('coordinator', publicKeyOf(user), account)
      : ownUserJwt('system', publicKeyOf(systemUser), systemAccount);
  }

  #ownerFile(name: string): string {
    return join(this.dir, 'owners', checkName('an owner', name), 'owner.json');
  }

  /** Everyone who was ever invited, by name. */
  owners(): OwnerRecord[] {
    return readdirSync(join(this.dir, 'owners'))
      .sort()
      .flatMap((name) => this.#find(name) ?? []);
  }

  #find(name: string): OwnerRecord | undefined {
    return readJson(this.#ownerFile(name), (value) => ownerSchema.parse(value));
  }

  /** Undefined where no such owner was invited. */
  findOwner(name: string): OwnerRecord | undefined {
    return this.#find(name);
  }

  /** Throws FedtuneError UNKNOWN_OWNER. */
  owner(name: string): OwnerRecord {
    const record = this.#find(name);
    if (record) return record;
    const known = this.owners().map((owner) => owner.name);
    throw new FedtuneError(
      'UNKNOWN_OWNER',
      `Expected an owner of ${this.name}${known.length > 0 ? ` (${known.slice(0, 20).join(', ')})` : ', which has none yet,'} ` +
        `but received ${name}.`,
    );
  }

  /** The owner that has this account, whose JWT names it: not looked for among all, as each asks when it joins. */
  async ownerOf(account: string): Promise<OwnerRecord | undefined> {
    if (!publicKey.safeParse(account).success) return undefined;
    const jwt = await readFile(this.#jwtFile(account), 'utf8').catch(() => undefined);
    const owner = jwt === undefined ? undefined : this.#find(decode(jwt.trim()).name);
    return owner && publicKeyOf(owner.account) === account ? owner : undefined;
  }

  #jwtFile(account: string): string {
    return join(this.dir, 'jwt', `${account}.jwt`);
  }

  /** Keeps what is known of an owner, and the JWT of its account, which is returned. */
  async saveOwner(record: OwnerRecord): Promise<string> {
    const { name, account, revoked, isRemoved } = record;
    const path = this.#ownerFile(name);
    await mkdir(join(this.dir, 'owners', name), { recursive: true, mode: 0o700 });
    await writeSecret(path, `${JSON.stringify(record, null, 2)}\n`);
    const jwt = await ownerJwt({
      ...{ name, account: publicKeyOf(account), coordinator: this.account, revoked, isRemoved },
      operatorSeed: this.keys.operator,
    });
    await writeAtomic(this.#jwtFile(publicKeyOf(account)), jwt);
    return jwt;
  }

  #enrolmentFile({ name, invite }: OwnerRecord): string {
    return join(this.dir, 'owners', name, `enrolled-${invite}.json`);
  }

  /** The keys of an owner that took up its invite; undefined before that, and once it was removed. */
  enrolment(owner: OwnerRecord): Enrolment | undefined {
    if (owner.isRemoved) return undefined;
    return readJson(this.#enrolmentFile(owner), (value) => enrolmentSchema.parse(value));
  }

  /** Takes an owner in: once an invite. False where somebody came before. */
  enrol(owner: OwnerRecord, enrolment: Enrolment): Promise<boolean> {
    return writeSecretOnce(this.#enrolmentFile(owner), `${JSON.stringify(enrolment, null, 2)}\n`);
  }
}
