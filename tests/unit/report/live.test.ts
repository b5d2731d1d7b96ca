import { appendFile, rm, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type LiveReport, serveReport } from '../../../src/report/live.js';
import { eventLines, runFolder } from './runFolder.js';

const START = { type: 'start', kernels: 'avx2', clients: [{ id: 'north', numTrain: 3 }] };
const round = (number: number) => ({
  ...{ type: 'round', round: number, clients: ['north'], bytes_up: 1, bytes_down: 1, metrics: {} },
});

async function serve(): Promise<{ readonly dir: string; readonly report: LiveReport }> {
  const dir = await runFolder({ 'events.jsonl': eventLines(START) }, { num_rounds: 3 });
  const report = await serveReport({ dir });
  onTestFinished(() => report.close(''));
  return { dir, report };
}

const answer = (url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const request = get(url, { headers, method }, resolve).on('error', reject);
    if (method !== 'GET') request.end();
  });

/** The events of a stream as they come. */
function follow(message: IncomingMessage): { type: string; data: string }[] {
  const events: { type: string; data: string }[] = [];
  let rest = '';
  message.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n\n');
    rest = parts.pop()!;
    for (const part of parts)
      events.push({ type: /^event: (.*)$/m.exec(part)![1]!, data: JSON.parse(/^data: (.*)$/m.exec(part)![1]!) });
  });
  return events;
}

describe('the report of a run that goes on', () => {
  it('is there for who knows the whole address alone, by the name of this machine', async () => {
    const { report } = await serve();
    const { origin, host, pathname } = new URL(report.url);
    expect(host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(pathname).toMatch(/^\/[\w-]{24}\/$/);
    const page = await answer(report.url);
    expect(page.statusCode).toBe(200);
    expect(page.headers['cross-origin-resource-policy']).toBe('same-origin');
    expect(page.headers['access-control-allow-origin']).toBeUndefined();
    const status = async (url: string, headers = {}, method = 'GET') => {
      const response = await answer(url, headers, method);
      response.resume();
      return response.statusCode;
    };
    expect(await status(report.url, { host: `localhost:${new URL(report.url).port}` })).toBe(200);
    expect(await status(report.url, { host: 'evil.example' })).toBe(404);
    expect(await status(`${report.url}events`, { host: `evil.example:${new URL(report.url).port}` })).toBe(404);
    expect(await status(`${origin}/`)).toBe(404);
    expect(await status(`${origin}/events`)).toBe(404);
    expect(await status(`${origin}/${'A'.repeat(24)}/`)).toBe(404);
    expect(await status(`${origin}${pathname.slice(0, -1)}`)).toBe(404);
    expect(await status(`${report.url}metrics.json`)).toBe(404);
    expect(await status(`${report.url}../events.jsonl`)).toBe(404);
    expect(await status(report.url, {}, 'POST')).toBe(405);
  });

  it('sends every newer page, what the run is at, and the end', async () => {
    const { dir, report } = await serve();
    report.show({ text: 'Round 1 of 3', share: 0, round: '0 of 3 rounds done' });
    const events = follow(await answer(`${report.url}events?have=1`));
    await vi.waitFor(() => expect(events.map(({ type }) => type)).toEqual(['status']));
    await appendFile(join(dir, 'events.jsonl'), eventLines(round(1)));
    await vi.waitFor(() => expect(events.at(-1)!.type).toBe('page'), 5000);
    expect(events.at(-1)!.data).toContain('1 of 3</b>');
    await appendFile(join(dir, 'events.jsonl'), eventLines(round(2)));
    await report.close('It is over.');
    await vi.waitFor(() => expect(events.slice(2).map(({ type }) => type)).toEqual(['page', 'end']));
    expect(events.at(-2)!.data).toContain('2 of 3</b>');
    expect(events.at(-1)!.data).toBe('It is over.');
  });

  it('sends the page to who has an older one', async () => {
    const { report } = await serve();
    const old = follow(await answer(`${report.url}events?have=0`));
    const again = follow(await answer(`${report.url}events?have=7`, { 'last-event-id': '1' }));
    await vi.waitFor(() => expect(old.map(({ type }) => type)).toEqual(['page']));
    expect(again).toEqual([]);
  });

  it('keeps the last page where the folder is damaged, and says so once', async () => {
    const dir = await runFolder({ 'events.jsonl': eventLines(START) });
    const warnings: unknown[] = [];
    const report = await serveReport({ dir, onWarning: (error) => warnings.push(error) });
    onTestFinished(() => report.close(''));
    const events = follow(await answer(`${report.url}events?have=1`));
    await writeFile(join(dir, 'events.jsonl'), 'nonsense\n');
    await vi.waitFor(() => expect(warnings).toHaveLength(1), 5000);
    await writeFile(join(dir, 'events.jsonl'), 'more nonsense\n');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(warnings).toHaveLength(1);
    expect(events).toEqual([]);
    expect((await answer(report.url)).statusCode).toBe(200);
  });

  it('does not begin where there is no run', async () => {
    const dir = await runFolder({});
    await rm(join(dir, 'config.yaml'));
    await expect(serveReport({ dir })).rejects.toThrow('config.yaml');
  });

  it('ends although somebody does not read', async () => {
    const { dir, report } = await serve();
    const stream = await answer(`${report.url}events?have=1`);
    stream.pause();
    const losses = Array.from({ length: 200_000 }, Math.random);
    await appendFile(join(dir, 'events.jsonl'), eventLines({ type: 'client', round: 1, client: 'north', losses }));
    await report.close('');
  });
});
