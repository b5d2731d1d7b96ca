import { WHICH } from '../contracts/evaluation.js';
import type { ClientMetrics, RunMetrics } from '../contracts/metrics.js';
import { plural } from '../report/format.js';
import type { OpenedRun } from '../run/openRun.js';
import { shown } from '../text.js';
import { version } from '../version.js';

/** A name from data in a line of Markdown. */
const plain = (name: string): string => shown(name, 80).replaceAll(/[\\`*_{}[\]<>|#]/g, (char) => `\\${char}`);

function scores(client: ClientMetrics): string {
  const rows = WHICH.flatMap((which) => {
    const score = client[which];
    return score
      ? [`| ${which}${client.take_home.which === which ? ' (this adapter)' : ''} | ${score.ppl.toFixed(3)} |`]
      : [];
  });
  return rows.length === 0 ? '' : `\n| on its own test examples | perplexity |\n|---|---|\n${rows.join('\n')}\n`;
}

/** What lies in the folder: a LoRA for PEFT, or the whole model with the LoRA merged in. */
export type CardKind = 'adapter' | 'merged';

function howToLoad(base: string, kind: CardKind): string {
  if (kind === 'merged')
    return `from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this folder")
tokenizer = AutoTokenizer.from_pretrained("this folder")`;
  return `from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(base)})
model = PeftModel.from_pretrained(base, "this folder")`;
}

/**
 * The README.md of an exported folder, a model card as hubs show it: base, method, data by its counts, scores, how to load. Nothing of what is
 * in the data, and no path of this machine.
 */
export function adapterCard(run: OpenedRun, owner: string, metrics: RunMetrics, kind: CardKind): string {
  const { config, model } = run;
  const client = metrics.clients.find(({ id }) => id === owner);
  const base = model.hubId ?? model.name;
  const data = typeof config.data === 'string' ? [config.data] : config.data;
  const hub = data.filter((spec) => spec.startsWith('hf:')).map((spec) => spec.slice(3));
  const head = [
    `library_name: ${kind === 'merged' ? 'transformers' : 'peft'}`,
    'tags:',
    '- lora',
    '- federated-learning',
    '- fedtune',
  ];
  if (model.hubId !== undefined) head.unshift(`base_model: ${JSON.stringify(model.hubId)}`);
  if (hub.length > 0) head.push('datasets:');
  for (const name of hub) head.push(`- ${JSON.stringify(name)}`);
  const whose = client
    ? `what owner ${plain(owner)} took home (${client.take_home.which})`
    : `the shared adapter of ${plural(metrics.clients.length, 'owner')}`;
  const trained = client
    ? `${plural(client.num_train, 'training example')} of its own`
    : 'the training examples of all owners';
  return `---
${head.join('\n')}
---

# ${kind === 'merged' ? 'Model' : 'LoRA adapter'} of a federation

This is ${whose}: ${kind === 'merged' ? 'the base merged with a' : 'a'} LoRA of rank ${config.lora_r} ${kind === 'merged' ? 'on' : 'for'} ${plain(base)}, trained with fedtune ${version}, method \`${metrics.method}\`${metrics.mutation ? ` with mutation \`${metrics.mutation}\`` : ''}, ${plural(metrics.rounds, 'round')}, seed ${metrics.seed}, base in ${metrics.precision} (sha256 ${metrics.model.sha256.slice(0, 16)}${model.revision ? `, revision ${model.revision}` : ''}). It learnt from ${trained}; rows stayed with their owners.
${client ? scores(client) : ''}
Prompt template: \`${plain(config.template)}\`. Use the same when asking; another was not trained.

## How to load

\`\`\`python
${howToLoad(model.hubId ?? 'the base', kind)}
\`\`\`

## Licence

fedtune knows the licences of neither base nor data: say here what they allow.
`;
}
