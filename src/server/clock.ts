import type { ClientResult } from '../client/job.js';
import type { RunConfig } from '../config/schema.js';
import { randomStream } from '../random.js';
import type { DeviceProfile } from './types.js';

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

/** Bytes of the result's uploaded adapter: float32 values; under a mask only those kept, and the mask as bits. */
export function uploadBytes(result: ClientResult): number {
  const adapter = (result.tracks.find(({ name }) => name === 'main') ?? result.tracks[0])?.adapter;
  if (!adapter) return 0;
  if (adapter.mask === null) return 4 * adapter.values.length;
  let kept = 0;
  for (const bit of adapter.mask) kept += bit;
  return 4 * kept + Math.ceil(adapter.mask.length / 8);
}

/**
 * Virtual seconds from the server's sending to its receiving: download, work, upload. 0 without a device. Where the method
 * does not say what travels up, the whole adapter does.
 */
export function jobSeconds(
  device: DeviceProfile | undefined,
  result: ClientResult,
  bytes: { readonly down: number; readonly up?: number | undefined },
): number {
  if (!device) return 0;
  const tokens = result.tracks.reduce((sum, track) => sum + track.tokens.train + track.tokens.search, 0);
  const wire = (bytes: number, mbps: number) => (bytes * 8) / (mbps * 1e6);
  return (
    wire(bytes.down, device.download_mbps) +
    tokens / device.tokens_per_second +
    wire(bytes.up ?? uploadBytes(result), device.upload_mbps)
  );
}
