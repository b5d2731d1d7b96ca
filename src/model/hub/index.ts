export { type HubOptions, openSnapshot, type Snapshot } from './snapshot.js';
export { type HubSpec, hubError, parseHubSpec } from './spec.js';
