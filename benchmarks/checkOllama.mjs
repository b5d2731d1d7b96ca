/**
 * `npm run check:ollama`: Modelfiles read by Ollama's own parser, their templates rendered by its own template package (Go is needed,
 * and fetches both as modules), give the prompts that fedtune trains with, text by text.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { library, PEERS } from './lib/paths.mjs';

const { ollamaTemplate, resolveTemplate, TEMPLATE_IDS } = await library('data/index.js');
const { modelfile } = await library('export/index.js');
const { loadModel } = await library('model/index.js');

const GENERATE = '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const TURN = '<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n';
/** Kinds of chat templates that models bring. */
const JINJA = {
  'own system prompt': `{% if messages[0].role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}{% for m in messages %}${TURN}{% endfor %}${GENERATE}`,
  'system in the first question': `{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content + '\n\n' %}{% set ms = messages[1:] %}{% else %}{% set s = '' %}{% set ms = messages %}{% endif %}{% for m in ms %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ s if loop.first }}{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}`,
  'answers in brackets': `{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}`,
  'braces of Go': `{% for m in messages %}{{ '{{x}}' + m.role + ': ' + m.content + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '{{x}}assistant: ' }}{% endif %}`,
  'one question': 'Q: {{ instruction }}\nA: ',
};

const user = (content) => ({ role: 'user', content });
const assistant = (content) => ({ role: 'assistant', content });
const CONVERSATIONS = {
  question: [user('When do you open?')],
  turns: [
    user('Hi "there"'),
    assistant('Hello,\nwhat is it?'),
    user('A \\ or {{ .Prompt }}'),
    assistant('b'),
    user('c'),
  ],
  system: [{ role: 'system', content: 'Be brief.' }, user('Why?')],
  'system and turns': [{ role: 'system', content: 'Be brief.' }, user('Why?'), assistant('So.'), user('And?')],
};

const folder = mkdtempSync(join(tmpdir(), 'fedtune-ollama-'));
const model = await loadModel('embedded');
const names = TEMPLATE_IDS.filter((id) => id !== 'auto' && id !== 'model');
for (const [name, text] of Object.entries(JINJA)) {
  const file = join(folder, `${name}.jinja`);
  writeFileSync(file, text);
  names.push(file);
}

const jobs = [];
for (const name of names) {
  const template = await resolveTemplate(name, model);
  const file = modelfile({
    from: './base.gguf',
    adapter: './adapter.gguf',
    ...ollamaTemplate(template, model.tokenizer),
  });
  for (const [what, messages] of Object.entries(CONVERSATIONS)) {
    const example = {
      id: '',
      instruction: messages.at(-1).content,
      input: '',
      output: '',
      messages: [...messages, assistant('')],
    };
    try {
      const expected = template
        .prompt(example)
        .map(({ text }) => text)
        .join('');
      jobs.push({ name: `${template.id}: ${what}`, modelfile: file, messages, expected });
    } catch (error) {
      console.log(`none ${template.id}: ${what} (${error.code}: the template has no such prompt)`);
    }
  }
}
const built = join(folder, 'check');
execFileSync('go', ['build', '-o', built, '.'], { cwd: join(PEERS, 'ollama'), stdio: 'inherit' });
const results = JSON.parse(execFileSync(built, { input: JSON.stringify(jobs), encoding: 'utf8' }));
let failed = 0;
const bos = model.tokenizer.addBos ? model.tokenizer.idToToken(model.tokenizer.bosId) : '';
jobs.forEach(({ name, expected }, i) => {
  const { commands, rendered } = results[i];
  const wanted = bos !== '' && expected.startsWith(bos) ? expected.slice(bos.length) : expected;
  const good = rendered === wanted && commands.model === './base.gguf' && commands.adapter === './adapter.gguf';
  if (!good) failed++;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} ${name}${good ? '' : `\n  ${JSON.stringify(wanted)}\n  ${JSON.stringify(rendered)}`}`,
  );
});
rmSync(folder, { recursive: true });
process.exitCode = failed === 0 ? 0 : 1;
