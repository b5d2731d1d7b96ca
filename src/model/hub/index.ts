export type { Download, HubOptions } from './access.js';
export { type PushOptions, pushFolder } from './push.js';
export { openSnapshot, type Snapshot } from './snapshot.js';
export { type HubSpec, parseHubSpec } from './spec.js';
