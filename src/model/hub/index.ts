export type { Download, HubOptions } from './access.js';
export { openSnapshot, type Snapshot } from './snapshot.js';
export { parseHubSpec } from './spec.js';
