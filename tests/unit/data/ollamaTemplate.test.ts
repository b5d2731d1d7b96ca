import { describe, expect, it } from 'vitest';
import { alpaca, chatml } from '../../../src/data/templates/builtin.js';
import { jinjaChatTemplate } from '../../../src/data/templates/jinja.js';
import { ollamaTemplate } from '../../../src/data/templates/ollama.js';
import { modelfile } from '../../../src/export/index.js';
import { charTokenizer } from './charTokenizer.js';

const tokenizer = charTokenizer(['<s>', '</s>', '<|im_start|>', '<|im_end|>']);

// What Ollama itself makes of them: `npm run check:ollama`.
describe('a prompt template in the language of Ollama', () => {
  it('has turns where the template has them', () => {
    expect(ollamaTemplate(chatml, tokenizer)).toEqual({
      template:
        '{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n<|im_start|>user\n{{ else }}<|im_start|>user\n{{ end }}' +
        '{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}' +
        '{{ if eq .Role "user" }}{{ .Content }}<|im_end|>\n<|im_start|>assistant\n' +
        '{{ else if eq .Role "assistant" }}{{ .Content }}{{ if not $last }}<|im_end|>\n<|im_start|>user\n{{ end }}{{ end }}{{ end }}',
      stop: '<|im_end|>',
    });
  });

  it('is one question and one answer where it has none', () => {
    const { template, stop } = ollamaTemplate(alpaca, tokenizer);
    expect(template).toMatch(/^Below is an instruction/);
    expect(template).toMatch(
      /### Instruction:\n\{\{ if .System \}\}\{\{ .System \}\}\n\{\{ end \}\}\{\{ .Prompt \}\}\n\n### Response:\n\{\{ .Response \}\}$/,
    );
    expect(stop).toBeUndefined();
  });

  it('refuses one that alters what is asked', () => {
    const shouting = jinjaChatTemplate('loud', '{% for m in messages %}{{ m.content | upper }}{% endfor %}', tokenizer);
    expect(() => ollamaTemplate(shouting, tokenizer)).toThrow(/"loud" alters what is asked/);
  });
});

describe('a Modelfile', () => {
  it('cannot hold the quotes that end a text', () => {
    const parts = { from: 'x', adapter: 'y', template: 'a """ b' };
    expect(() => modelfile(parts)).toThrow(expect.objectContaining({ code: 'BAD_TEMPLATE' }));
  });
});
