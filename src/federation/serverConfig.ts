import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import { MAX_PAYLOAD } from './accounts.js';

/** Where a server is. */
export interface Endpoint {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 4222;

/** Reads `nats://host:port` (or `tls://`). Throws ConfigError. */
export function parseEndpoint(text: string): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && url.username === '' && url.password === '' && url.search === '' && /^\/?$/.test(url.pathname);
  if (url === undefined || !isPlain || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') {
    throw new ConfigError(
      `Expected the address of a NATS server like nats://host:4222 but received ${text.slice(0, 200)}.`,
    );
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  return { host, port, url: `nats://${url.hostname}:${port}` };
}

const quoted = (text: string): string => JSON.stringify(text);

/** The configuration of nats-server: TLS always, accounts by JWT, JetStream on disk. */
export function serverConfig(params: {
  readonly dir: string;
  readonly endpoint: Endpoint;
  readonly operator: string;
  readonly systemAccount: string;
}): string {
  const { dir, endpoint, operator, systemAccount } = params;
  const path = (name: string) => quoted(join(dir, name));
  return `# Made by fedtune. "fedtune federation serve" starts nats-server with it and says on which address it listens.
port: ${endpoint.port}
max_payload: ${MAX_PAYLOAD}
max_pending: ${32 * MAX_PAYLOAD}
ping_interval: "20s"
# A piece takes its time on a slow network.
write_deadline: "2m"

operator: ${quoted(operator)}
system_account: ${quoted(systemAccount)}
resolver {
  type: full
  dir: ${path('jwt')}
  limit: 100000
}

jetstream {
  store_dir: ${path('jetstream')}
}

tls {
  cert_file: ${path('tls/server.pem')}
  key_file: ${path('tls/server.key')}
  timeout: 10
}
`;
}
