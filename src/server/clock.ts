import type { DeviceProfile } from '../contracts/devices.js';
import type { Received } from './types.js';

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
