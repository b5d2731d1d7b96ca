import { afterEach, describe, expect, it, vi } from 'vitest';

class NoBinaryFoundError extends Error {}

vi.mock('node-llama-cpp', () => ({
  NoBinaryFoundError,
  LlamaLogLevel: { error: 'error' },
  getLlama: () => Promise.reject(new NoBinaryFoundError('NoBinaryFoundError')),
}));

afterEach(() => vi.restoreAllMocks());

describe('llama.cpp on a system that node-llama-cpp has no build for', () => {
  it('is missing, and the error says of which system and what there is instead', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('linux');
    vi.spyOn(process, 'arch', 'get').mockReturnValue('x64');
    vi.spyOn(process.report, 'getReport').mockReturnValue({ header: {} });
    const { tryLlamaCpp } = await import('../../../src/export/llamaCpp.js');
    await expect(tryLlamaCpp()).rejects.toMatchObject({
      code: 'LLAMA_CPP_MISSING',
      message: expect.stringMatching(/no build for linux-x64-musl\..*fedtune export --format gguf/),
    });
  });
});
