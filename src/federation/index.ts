export { type AgentOptions, runAgent } from './agent.js';
export { announce, announceAll, connectAs, federationStatus, type OwnerStatus } from './coordinator.js';
export { FederationFolder } from './folder.js';
export { type Invite, inviteOwner, readInvite, removeOwner } from './invite.js';
export { type Introduction, NatsLink } from './link.js';
export { startNatsServer } from './natsServer.js';
export { readOwnerKeys, takeUpInvite } from './ownerHome.js';
export type { Proposal } from './ownerWork.js';
export { startRegistrar } from './registrar.js';
