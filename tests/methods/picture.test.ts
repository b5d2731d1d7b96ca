import { expect, it } from 'vitest';
import { maskPicture } from '../../src/run/picture.js';
import { runInline } from './inlineRun.js';

it('a run of perfit leaves a picture of every client, at its budget', async () => {
  const { finished, federation } = await runInline({ method: 'perfit', num_rounds: 1 });
  const svg = maskPicture(finished)!;
  expect(svg).toContain('<desc>8 owners keep 50.0 % of the adapter.');
  for (const { id } of federation.clients) expect(svg).toContain(`<title>${id}: `);
});

it('a method without masks leaves none', async () => {
  expect(maskPicture((await runInline({ method: 'fedavg', num_rounds: 1 })).finished)).toBeUndefined();
});
