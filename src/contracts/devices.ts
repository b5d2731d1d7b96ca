import type { RunConfig } from '../config/schema.js';
import { randomStream } from '../random.js';

/** A kind of device on the virtual clock. */
export type DeviceProfile = RunConfig['devices'][number];

/** The device of a client, drawn once a run by the profiles' shares; undefined without profiles. */
export function deviceOf(client: string, config: Pick<RunConfig, 'seed' | 'devices'>): DeviceProfile | undefined {
  const total = config.devices.reduce((sum, { share }) => sum + share, 0);
  let mark = randomStream(config.seed, 'device', client)() * total;
  for (const device of config.devices) {
    mark -= device.share;
    if (mark < 0) return device;
  }
  return config.devices.at(-1);
}
