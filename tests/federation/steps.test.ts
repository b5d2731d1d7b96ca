import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished, vi } from 'vitest';
import { NatsLink } from '../../src/federation/link.js';
import { Mailbox } from '../../src/federation/mailbox.js';
import { openManifest, SIGNATURE } from '../../src/federation/manifest.js';
import { OWNER_SUBJECTS, STEPS, subjectsOf } from '../../src/federation/subjects.js';
import { encodeMessage, joinMessage } from '../../src/links/codec.js';
import { TRAIN, UPDATE } from './exchange.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 60_000 });

const federation = testFederation();

/** An owner that trains until `end`, having done as many steps as is said here. */
async function worker(name: string) {
  const work: { steps: number | undefined; end: () => void } = { steps: undefined, end: () => {} };
  const until = new Promise<void>((resolve) => {
    work.end = resolve;
  });
  const answer = async () => {
    await until;
    return joinMessage(encodeMessage(UPDATE));
  };
  const agent = await federation.serve(name, answer, { steps: () => work.steps });
  onTestFinished(() => agent.stop());
  return work;
}

function linkTo(owners: readonly string[]): NatsLink {
  const link = new NatsLink({
    ...{ federation: federation.folder, run: randomUUID(), owners, maxReplyBytes: 1 << 22 },
  });
  onTestFinished(() => link.close());
  return link;
}

const WAIT = { timeout: 10_000, interval: 20 };

it('an owner far away says how many steps are done; one that says nothing is none of those at work', async () => {
  const [east, west] = [await worker('east'), await worker('west')];
  const link = linkTo(['east', 'west']);
  const replies = Promise.all(['east', 'west'].map((owner) => link.ask(owner, TRAIN)));
  east.steps = 3;
  await vi.waitFor(() => expect(link.atWork()).toEqual([{ owner: 'east', steps: 3 }]), WAIT);
  east.steps = 7;
  await vi.waitFor(() => expect(link.atWork()).toEqual([{ owner: 'east', steps: 7 }]), WAIT);
  east.end();
  await vi.waitFor(() => expect(link.atWork()).toEqual([]), WAIT);
  west.end();
  for (const { reply } of await replies) expect(reply).toEqual(UPDATE);
});

it('nobody speaks for another, and what is no number of steps is not heard', async () => {
  const north = await worker('north');
  const link = linkTo(['north']);
  const reply = link.ask('north', TRAIN);
  const [keys, other] = [await federation.join('north'), await federation.join('south')];
  const own = await federation.connect(keys);
  const foreign = await federation.connect(other);
  onTestFinished(async () => {
    await own.close();
    await foreign.close();
  });
  const box = new Mailbox(own, 'north', `${OWNER_SUBJECTS.get}.`, () => {});
  const { id } = await vi.waitFor(async () => {
    const found = await box.get(subjectsOf(keys.account).task);
    return openManifest(found!.payload, found!.header(SIGNATURE), keys.coordinator, 'the coordinator');
  }, WAIT);
  const say = (connection: typeof own, text: string) => connection.publish(`${OWNER_SUBJECTS.up}.${id}.${STEPS}`, text);
  say(own, '4');
  await vi.waitFor(() => expect(link.atWork()).toEqual([{ owner: 'north', steps: 4 }]), WAIT);
  say(foreign, '9');
  await foreign.flush();
  for (const text of ['', '-1', '1e3', 'NaN', '9'.repeat(10), '5 ', '\u0665']) say(own, text);
  // In one connection nothing overtakes: once this is heard, so were those.
  say(own, '6');
  const heard = new Set<number>();
  await vi.waitFor(() => {
    for (const { steps } of link.atWork()) heard.add(steps);
    expect(link.atWork()).toEqual([{ owner: 'north', steps: 6 }]);
  }, WAIT);
  expect([...heard].filter((steps) => steps !== 4)).toEqual([6]);
  north.end();
  await reply;
});
