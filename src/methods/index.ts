import { ConfigError } from '../errors.js';
import { centralized } from './centralized.js';
import { clustered } from './clustered.js';
import { ditto } from './ditto.js';
import { fedadagrad } from './fedadagrad.js';
import { fedadam } from './fedadam.js';
import { fedavg } from './fedavg.js';
import { fedavgm } from './fedavgm.js';
import { fedexLora } from './fedexLora.js';
import { fedprox } from './fedprox.js';
import { fedrotLora } from './fedrotLora.js';
import { fedsaLora } from './fedsaLora.js';
import { fedyogi } from './fedyogi.js';
import { ffaLora } from './ffaLora.js';
import { flexlora } from './flexlora.js';
import { flora } from './flora.js';
import { florist } from './florist.js';
import { hetlora } from './hetlora.js';
import { local } from './local.js';
import { loraFair } from './loraFair.js';
import type { Capabilities, Method } from './method.js';
import { perfit } from './perfit.js';
import { rolora } from './rolora.js';
import { scaffold } from './scaffold.js';

/** Every built-in method; `docs/methods.md` has a section for each. */
const BUILT_IN = [
  fedavg,
  local,
  centralized,
  fedprox,
  scaffold,
  ditto,
  fedavgm,
  fedadagrad,
  fedadam,
  fedyogi,
  ffaLora,
  fedsaLora,
  rolora,
  hetlora,
  flexlora,
  flora,
  fedexLora,
  florist,
  fedrotLora,
  loraFair,
  clustered,
  perfit,
] as const;

export type MethodId = (typeof BUILT_IN)[number]['id'];

/** The ids of the built-in methods. */
export const METHODS = BUILT_IN.map(({ id }) => id) as readonly string[] as readonly MethodId[];

const BY_ID: ReadonlyMap<string, Method> = new Map(BUILT_IN.map((method) => [method.id, method as Method]));

/** A built-in method by its id. Throws ConfigError UNKNOWN_METHOD. */
export function methodOf(id: string): Method {
  const method = BY_ID.get(id);
  if (method !== undefined) return method;
  throw new ConfigError(`Expected a method out of ${METHODS.join(', ')} but received "${id}".`, {
    code: 'UNKNOWN_METHOD',
  });
}

/** The built-in methods that can be combined with something. */
export function methodsWith(capability: Exclude<keyof Capabilities, 'gives'>): readonly MethodId[] {
  return METHODS.filter((id) => methodOf(id).capabilities[capability]);
}

type Shapes = (typeof BUILT_IN)[number]['options'];
type Joined<U> = (U extends unknown ? (shape: U) => void : never) extends (shape: infer I) => void ? I : never;

/** The options of all built-in methods, as keys of the run file; methods that share a key share its type. */
export const optionKeys = Object.assign({}, ...BUILT_IN.map(({ options }) => options)) as {
  readonly [K in keyof Joined<Shapes>]: Joined<Shapes>[K];
};
