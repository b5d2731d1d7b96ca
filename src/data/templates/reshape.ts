import type { Message } from '../types.js';
import { spokenText } from './turns.js';

/** Between texts that become one. */
const GAP = '\n\n';

function joined(messages: readonly Message[]): Message[] {
  const result: Message[] = [];
  for (const message of messages) {
    const last = result.at(-1);
    // Answers that are learnt and answers that are not stay apart.
    if (last?.role !== message.role || last.train !== message.train) result.push(message);
    else result[result.length - 1] = { ...last, content: `${last.content}${GAP}${message.content}` };
  }
  return result;
}

/**
 * A conversation in the form that every chat template takes: questions and answers in turn. System messages go before the
 * question that follows them, results of tools become the user's, calls of tools text, neighbours of one role are joined.
 * undefined where it is in that form already.
 */
export function reshaped(messages: readonly Message[]): readonly Message[] | undefined {
  const plain = messages.map((message): Message => {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    return { role, content: spokenText(message), ...(message.train === false ? { train: false } : {}) };
  });
  const result = joined(plain);
  const same =
    result.length === messages.length &&
    result.every(({ role, content }, i) => role === messages[i]!.role && content === messages[i]!.content);
  return same ? undefined : result;
}
