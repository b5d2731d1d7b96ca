import { expect, it } from 'vitest';
import { maskPicture } from '../../src/run/picture.js';
import { runInline } from './inlineRun.js';

it('a run of perfit leaves a picture of every client, at its budget', async () => {
  const { finished, federation } = await runInline({ method: 'perfit', num_rounds: 1 });
  const svg = maskPicture(finished)!;
  for (const { id } of federation.clients) expect(svg).toContain(`${id}: 50.0 % kept`);
});

it('a method without masks leaves none', async () => {
  expect(maskPicture((await runInline({ method: 'fedavg', num_rounds: 1 })).finished)).toBeUndefined();
});
