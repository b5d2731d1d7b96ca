import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeRequest, makeFederation, trainRequest } from './owners.js';

it('200 rounds take no more memory than 20 (kilobytes)', async () => {
  const federation = await makeFederation({ lora_r: 64, local_steps: 1, batch_size: 1 }, { owners: 2 });
  const { homes, layout } = federation;
  const script = fileURLToPath(new URL('../fixtures/links/memory.mjs', import.meta.url));
  const train = { ...trainRequest(federation, homes[0]!.id), parts: {} };
  const input = JSON.stringify({ homes, layout, describe: describeRequest(federation), train, requests: 200 });
  const { stdout, stderr } = spawnSync(process.execPath, [script], { input, encoding: 'utf8' });
  expect(stderr).toBe('');
  const { early, late, adapter } = JSON.parse(stdout) as { early: number; late: number; adapter: number };
  // Were replies kept, there would be so much more of it; what malloc and V8 hold goes up and down by tens of megabytes.
  const kept = 2 * 180 * adapter;
  expect(kept).toBeGreaterThan(early);
  expect(late).toBeLessThan(early + kept / 4);
});
