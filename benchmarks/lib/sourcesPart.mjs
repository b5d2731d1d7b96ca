import { makeCase } from './cases.mjs';
import { overallRates, runOurs } from './ours.mjs';
import { library } from './paths.mjs';
import { median } from './stats.mjs';

/** As a data collator pads: every example of a step as long as the longest, without targets past its end. */
function padded(examples) {
  const length = Math.max(...examples.map(({ tokens }) => tokens.length));
  const pad = (values) => [...values, ...Array(length - values.length).fill(0)];
  return examples.map(({ tokens, mask }) => ({ tokens: pad(tokens), mask: pad(mask) }));
}

const allTargets = (examples) => examples.map(({ tokens }) => ({ tokens, mask: tokens.map(() => 1) }));

/** The sets that this machine has beside its best one. */
async function otherSets(best) {
  const { loadBinding } = await library('native/load.js');
  return loadBinding()
    .cpu()
    .kernels.filter((name) => name !== best);
}

/**
 * What each source of speed brings: the engine as it is and with one thing left out, in turn, in examples a second of the same
 * conversations or random sequences.
 */
export async function sources({ threads, turns, quick, data, model }) {
  const full = await makeCase('full');
  const chat = await makeCase('chat', { data, model });
  const run = (testCase, settings) =>
    runOurs(testCase, { threads, warmup: 1, steps: quick ? 1 : testCase.clients[0].steps.length, ...settings });
  const best = (await run(full, { steps: 1, warmup: 0 })).kernels;
  const without = [
    ...(await otherSets(best)).map((kernels) => ({ what: `${best}: ${kernels} instead (full)`, of: full, kernels })),
    { what: 'int8: f32 instead (full)', of: full, precision: 'f32' },
    { what: 'packing: padded (chat)', of: chat, instead: await makeCase('chat', { data, model, change: padded }) },
    {
      what: 'logits of targets only: of all tokens (chat)',
      of: chat,
      instead: await makeCase('chat', { data, model, change: allTargets }),
    },
  ];
  const runs = without.map(() => ({ with: [], without: [] }));
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, { what, of, instead = of, ...settings }] of without.entries()) {
      runs[i].with.push(await run(of, {}));
      runs[i].without.push(await run(instead, settings));
      console.error(`  ${what}`);
    }
  }
  const summary = (list) => {
    const speeds = list.map((result) => overallRates(result).examples_per_second);
    const peak = median(list.map((result) => result.peak_rss_bytes));
    return { median: median(speeds), min: Math.min(...speeds), max: Math.max(...speeds), peak_rss_bytes: peak };
  };
  const rows = without.map(({ what }, i) => ({
    what,
    with: summary(runs[i].with),
    without: summary(runs[i].without),
  }));
  return { rows };
}
