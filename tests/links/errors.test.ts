import { describe, expect, it } from 'vitest';
import { packPart } from '../../src/adapter/part.js';
import { isFinal } from '../../src/contracts/isFinal.js';
import * as ours from '../../src/errors.js';
import { createInlineLink } from './inline.js';
import { compiledLinks, describeAll, describeRequest, makeFederation, trainRequest } from './owners.js';

describe('errors of owners hold their class, code and causes', () => {
  for (const kind of ['inline', 'threads', 'processes'] as const) {
    it(kind, async () => {
      const federation = await makeFederation({ also_local: true }, { owners: 1 });
      const { homes, model } = federation;
      const { id } = homes[0]!;
      const compiled = await compiledLinks();
      const options = { homes, model, workers: 1, threads: 1 };
      const link =
        kind === 'inline'
          ? createInlineLink({ homes })
          : kind === 'threads'
            ? compiled.createThreadsLink(options)
            : compiled.createProcessesLink(options);
      // What is loaded from dist has classes of its own.
      const errors = kind === 'inline' ? ours : (compiled.errors as unknown as typeof ours);
      const failing = async (work: Promise<unknown>) =>
        work.then(
          () => undefined,
          (error: unknown) => error,
        );
      try {
        const early = await failing(link.ask(id, trainRequest(federation, id)));
        expect(early).toMatchObject({ code: 'NOT_DESCRIBED', cause: { code: 'ENOENT' } });
        const otherBase = { ...describeRequest(federation), baseSha256: 'a'.repeat(64) };
        const refused = await failing(link.ask(id, otherBase));
        expect(refused).toBeInstanceOf(errors.ModelError);
        expect(refused).toMatchObject({ code: 'OTHER_BASE' });
        const otherTokenizer = { ...describeRequest(federation), tokenizerSha256: 'a'.repeat(64) };
        expect(await failing(link.ask(id, otherTokenizer))).toMatchObject({
          code: 'OTHER_TOKENIZER',
          message: expect.stringMatching(new RegExp(`aaaaaaaaaaaa.*${federation.model.sha256.slice(0, 12)}`)),
        });
        const otherTemplate = { ...describeRequest(federation), templateSha256: 'b'.repeat(64) };
        expect(await failing(link.ask(id, otherTemplate))).toMatchObject({
          code: 'OTHER_TEMPLATE',
          message: expect.stringContaining('bbbbbbbbbbbb'),
        });
        const noFile = { ...federation, config: { ...federation.config, strategy: '/no/such/file.mjs' } };
        const missing = await failing(describeAll(link, noFile));
        expect(missing).toBeInstanceOf(errors.ConfigError);
        expect(missing).toMatchObject({ code: 'STRATEGY_FILE', exitCode: 2, cause: { code: 'ERR_MODULE_NOT_FOUND' } });
        await describeAll(link, federation);
        const values = federation.initial.map(() => 1e20);
        const parts = { adapter: packPart({ layout: federation.layout, values, mask: null }) };
        const diverged = await failing(link.ask(id, trainRequest(federation, id, { parts })));
        expect(diverged).toBeInstanceOf(errors.EngineError);
        expect(diverged).toMatchObject({ code: 'NON_FINITE', cause: { code: 'NON_FINITE' } });
        const lost = await failing(link.ask(id, trainRequest(federation, id, { arm: 'local', turn: 6, state: 5 })));
        expect(lost).toBeInstanceOf(errors.RunError);
        expect(lost).toMatchObject({ code: 'STATE_DAMAGED' });
        const unknown = await failing(link.ask('nobody', describeRequest(federation)));
        expect(unknown).toMatchObject({ code: 'UNKNOWN_OWNER' });
        if (kind === 'inline') expect([missing, refused, diverged].map(isFinal)).toEqual([true, true, true]);
      } finally {
        await link.close();
      }
      await expect(link.ask(id, describeRequest(federation))).rejects.toBeInstanceOf(errors.InterruptedError);
    });
  }
});
