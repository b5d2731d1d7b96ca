import type { RunConfig } from '../config/schema.js';
import { randomStream } from '../random.js';
import type { DeviceProfile, Received } from './types.js';

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

/** Virtual seconds from the server's sending to its receiving: download, work, upload. 0 without a device. */
export function workSeconds(
  device: DeviceProfile | undefined,
  { update, bytesDown, bytesUp }: Pick<Received, 'update' | 'bytesDown' | 'bytesUp'>,
): number {
  if (!device) return 0;
  const wire = (bytes: number, mbps: number) => (bytes * 8) / (mbps * 1e6);
  return (
    wire(bytesDown, device.download_mbps) +
    (update.tokens.train + update.tokens.search) / device.tokens_per_second +
    wire(bytesUp, device.upload_mbps)
  );
}
