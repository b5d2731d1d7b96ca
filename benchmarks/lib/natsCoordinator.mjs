/** A process with the coordinator's side of a run, for distributionNet.mjs: server half, merge and link as the library has them. */
import { randomUUID } from 'node:crypto';
import { library } from './paths.mjs';

const { FederationFolder, NatsLink } = await library('federation/index.js');
const { parseConfig } = await library('config/parse.js');
const { prepare } = await library('run/prepare.js');
const { makeFederation } = await library('run/federation.js');
const { describeOwners } = await library('run/owners.js');
const { runRounds } = await library('server/loop.js');

const { dir, settings, deadline } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());
const say = (what, more) => process.send({ what, at: performance.now(), ...more });

const config = parseConfig({
  ...settings,
  method: 'fedavg',
  runtime: 'nats',
  federation: dir,
  eval_every: 0,
  deadline,
});
const prepared = await prepare(config);
const folder = FederationFolder.open(dir);
const names = folder
  .owners()
  .filter((owner) => folder.enrolment(owner))
  .map(({ name }) => name);
const link = new NatsLink({
  ...{
    federation: folder,
    run: randomUUID(),
    owners: names,
    maxReplyBytes: 2 ** 22 + 16 * prepared.initial.byteLength,
  },
  ...(deadline === null ? {} : { deadlineMs: 1000 * deadline }),
});
say('opened');
const owners = await describeOwners(
  prepared,
  link,
  names.map((id) => ({ id, folder: id })),
  [],
);
say('described');
await runRounds(makeFederation(prepared, owners), {
  link,
  signal: new AbortController().signal,
  emit: (event) => {
    if (event.type !== 'round') return;
    say('merged', { round: event.round, merged: event.clients.length, down: event.bytes_down, up: event.bytes_up });
  },
  progress: ({ kind, round }) => {
    if (kind === 'round') say('begun', { round });
  },
  checkpoint: async () => {},
});
await link.close();
say('ended', { peak_rss_bytes: 1024 * process.resourceUsage().maxRSS, adapter_bytes: prepared.initial.byteLength });
process.disconnect();
