import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkMethod } from '../../../src/config/check.js';
import { methodOptions } from '../../../src/config/methodOptions.js';
import { parseConfig } from '../../../src/config/parse.js';
import { loadMethod } from '../../../src/methods/load.js';
import { quadraticToy, runToy } from './federate.js';
import { maxDistance, type QuadraticClient, toyLayout } from './quadratic.js';

const strategy = 'examples/lossWeighted.mjs';
const method = await loadMethod({ method: 'fedavg', strategy });
const layout = toyLayout();
const clients: readonly QuadraticClient[] = [
  { h: 1, c: new Float32Array(layout.size).fill(1), numTrain: 6 },
  { h: 3, c: new Float32Array(layout.size).fill(-1), numTrain: 2 },
];
const settings = (power: number) => ({ strategy, strategy_options: { power }, num_rounds: 3 });

describe('a method in a file of the user', () => {
  it('runs by its halves, with the options that the run file gives it', () => {
    const fedavg = runToy({ method: 'fedavg', num_rounds: 3 }, clients).global().values;
    // By its formula: with power 0 every loss counts 1.
    expect(runToy(settings(0), clients, { method }).global().values).toEqual(fedavg);
    // The toy's losses are all 1, whatever their power.
    const { server, rounds } = runToy(settings(2), clients, { method });
    expect(server.global()!.values).toEqual(fedavg);
    expect(rounds[0]!.metrics.losses).toEqual({ 'client-0': 1, 'client-1': 1 });
  });

  it('weighs by numTrain * loss ** power', () => {
    const toy = quadraticToy(settings(2), clients, { method });
    const { updates } = toy.round();
    const unlike = updates.map((update, i) => ({ ...update, note: { loss: [3, 0.5][i] } }));
    const again = quadraticToy(settings(2), clients, { method });
    again.server.send(again.context(1));
    again.server.aggregate(unlike, again.context(1));
    const [a, b] = updates.map(({ parts }) => parts.adapter!.values);
    const weights = [6 * 3 ** 2, 2 * 0.5 ** 2];
    const expected = a!.map((value, p) => (weights[0]! * value + weights[1]! * b![p]!) / (weights[0]! + weights[1]!));
    expect(maxDistance(again.global().values, expected)).toBeLessThan(1e-6);
  });

  it('goes on from a saved state to the same bits', () => {
    const whole = runToy(settings(1), clients, { method });
    const resumed = quadraticToy(settings(1), clients, { method });
    resumed.goOn(whole, 2);
    resumed.round();
    expect(resumed.rounds.at(-1)).toEqual(whole.rounds.at(-1));
  });

  it('takes its default where the run file gives none, and says what is wrong with an option', () => {
    const options = (strategy_options: Record<string, unknown>) =>
      methodOptions(method, parseConfig({ strategy, strategy_options }));
    expect(options({})).toEqual({ power: 1 });
    expect(() => options({ power: -1 })).toThrow(/power: .*>=0, received -1/);
    expect(() => options({ pover: 2 })).toThrow('Did you mean "power"?');
    expect(() => parseConfig({ strategy_options: { power: 2 } })).toThrow('set strategy');
  });

  it('is held to its capabilities', () => {
    checkMethod(parseConfig({ strategy, mutation: 'fedqp' }), method);
    expect(() => checkMethod(parseConfig({ strategy, robust: 'median' }), method)).toThrow('not of loss-weighted');
    expect(() => checkMethod(parseConfig({ strategy, rank_per_client: 4 }), method)).toThrow('not with loss-weighted');
  });
});

describe('a file that holds no method', () => {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-method-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each([
    ['is not there', undefined, /cannot be loaded/],
    ['does not parse', 'export default {', /cannot be loaded/],
    ['throws', 'throw new Error("out of luck");', /cannot be loaded: out of luck/],
    ['exports no default', 'export const createStrategy = () => ({});', /export default defineMethod.*createStrategy/s],
    ['exports something else', 'export default 3;', /not whole/],
    [
      'lacks a half',
      'export default { id: "a", summary: "", capabilities: { gives: ["global"] }, options: {}, server() {} };',
      /client: expected a function/,
    ],
    [
      'has a capability that nobody knows',
      'export default { id: "a", summary: "", capabilities: { gives: ["global"], fast: true }, options: {}, server() {}, client() {} };',
      /fast/,
    ],
    [
      'has an option without a type',
      'export default { id: "a", summary: "", capabilities: { gives: ["global"] }, options: { x: 3 }, server() {}, client() {} };',
      /options.x: expected a zod type/,
    ],
  ])('%s', async (name, text, message) => {
    const file = join(dir, `${name.replaceAll(' ', '-')}.mjs`);
    if (text !== undefined) writeFileSync(file, text);
    await expect(loadMethod({ method: 'fedavg', strategy: file })).rejects.toMatchObject({
      name: 'ConfigError',
      code: 'STRATEGY_FILE',
      message: expect.stringMatching(message),
    });
  });

  it('a method that is not there', async () => {
    await expect(loadMethod({ method: 'fedsgd', strategy: null })).rejects.toMatchObject({ code: 'UNKNOWN_METHOD' });
  });
});
