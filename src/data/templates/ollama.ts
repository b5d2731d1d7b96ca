import { DataError } from '../../errors.js';
import type { Tokenizer } from '../../model/index.js';
import type { Example, Message } from '../types.js';
import type { PromptTemplate, Segment } from './types.js';

/** Stand for what was said, to find the text around it. */
const [SYSTEM, ASKED, SAID, AGAIN] = ['sYsTeM0', 'aSkEd1', 'sAiD2', 'aGaIn3'] as const;

export interface OllamaTemplate {
  /** Go's text/template, as Ollama's TEMPLATE takes it. */
  readonly template: string;
  /** What ends an answer, where the template writes it. */
  readonly stop?: string;
}

const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
const exampleOf = (messages: readonly Message[]): Example => ({
  id: 'ollama',
  instruction: messages.findLast(({ role }) => role === 'user')!.content,
  input: '',
  output: '',
  messages: [...messages, assistant('')],
});

const textOf = (segments: readonly Segment[]): string => segments.map(({ text }) => text).join('');

/** Text around marks, in their order; undefined where one is missing or stands twice. */
function around(text: string, ...marks: string[]): string[] | undefined {
  const parts = text.split(new RegExp(marks.join('|')));
  return parts.length === marks.length + 1 &&
    (text.match(new RegExp(marks.join('|'), 'g')) ?? []).join() === marks.join()
    ? parts
    : undefined;
}

/** Text that stays as it is in Go's templates. */
const literal = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');

/** What stands before the first question; `system`: the text before and behind a system prompt, where the template takes one. */
function beginning(head: string, system: readonly [string, string] | undefined): string {
  if (system === undefined) return literal(head);
  const [before, behind] = system;
  if (before.startsWith(head))
    return `${literal(head)}{{ if .System }}${literal(before.slice(head.length))}{{ .System }}${literal(behind)}{{ end }}`;
  return `{{ if .System }}${literal(before)}{{ .System }}${literal(behind)}{{ else }}${literal(head)}{{ end }}`;
}

/**
 * A prompt template in Ollama's language, from what it makes of conversations of marks: a system prompt or none, and as many turns as the
 * template takes. A leading beginning-of-sequence token is left out where the model's tokenizer adds it, as Ollama does it too.
 *
 * Throws DataError BAD_TEMPLATE where it alters a question or puts something other before a first turn than before later ones.
 */
export function ollamaTemplate(template: PromptTemplate, tokenizer: Tokenizer): OllamaTemplate {
  const bos = tokenizer.addBos && tokenizer.bosId !== undefined ? (tokenizer.idToToken(tokenizer.bosId) ?? '') : '';
  const prompt = (...messages: Message[]): string => {
    const text = textOf(template.prompt(exampleOf(messages)));
    return bos !== '' && text.startsWith(bos) ? text.slice(bos.length) : text;
  };
  const attempt = (marks: string[], ...messages: Message[]): string[] | undefined => {
    try {
      return around(prompt(...messages), ...marks);
    } catch (error) {
      // A template of one question, or without a place for a system prompt.
      if (error instanceof DataError) return undefined;
      throw error;
    }
  };
  const once = around(prompt(user(ASKED)), ASKED);
  if (once === undefined)
    throw new DataError('BAD_TEMPLATE', `Template "${template.id}" alters what is asked: Ollama cannot say that.`);
  const [head, open] = once as [string, string];
  const system = attempt([SYSTEM, ASKED], { role: 'system', content: SYSTEM }, user(ASKED));
  const begin = beginning(head, system?.[2] === open ? [system[0]!, system[1]!] : undefined);
  const answer = textOf(template.render({ ...exampleOf([user(ASKED)]), messages: [user(ASKED), assistant(SAID)] }));
  const stop = answer.slice(answer.indexOf(SAID) + SAID.length);
  const stopped = stop.trim() === '' ? {} : { stop: stop.trim() };
  const turns = attempt([ASKED, SAID, AGAIN], user(ASKED), assistant(SAID), user(AGAIN));
  if (turns === undefined || turns[0] !== head || turns[1] !== open || turns[3] !== open)
    return { template: `${begin}{{ .Prompt }}${literal(open)}{{ .Response }}${literal(stop)}`, ...stopped };
  const loop =
    '{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}' +
    `{{ if eq .Role "user" }}{{ .Content }}${literal(open)}` +
    `{{ else if eq .Role "assistant" }}{{ .Content }}{{ if not $last }}${literal(turns[2]!)}{{ end }}{{ end }}{{ end }}`;
  return { template: begin + loop, ...stopped };
}
