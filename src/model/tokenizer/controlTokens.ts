/**
 * Tokens that end an answer or mark a hole to fill, by their text. llama.cpp takes them as control tokens whatever type the
 * file gives them (src/llama-vocab.cpp, `llama_vocab::impl::load`).
 */
const KNOWN: ReadonlySet<string> = new Set([
  ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|eom_id|>', '<end_of_turn>', '<turn|>'],
  ...['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>', '[EOS]', '<EOT>', '_<EOT>', '[EOT]', '<end_of_utterance>'],
  ...[
    '<\uFF5Cend\u2581of\u2581sentence\uFF5C>',
    '<fim-prefix>',
    '<fim_prefix>',
    '<PRE>',
    '\u2581<PRE>',
    '<fim-suffix>',
  ],
  ...['<fim_suffix>', '<SUF>', '\u2581<SUF>', '<fim-middle>', '<fim_middle>', '<MID>', '\u2581<MID>', '<fim-pad>'],
  ...['<fim_pad>', '<PAD>', '[PAD]', '<fim-repo>', '<REPO>', '<reponame>'],
]);

/** The start of what `<end_of_turn>` ends, and names that llama.cpp's converter knows (convert_hf_to_gguf.py, `does_token_look_special`). */
const FURTHER: ReadonlySet<string> = new Set(['<start_of_turn>', '<pad>', '<mask>', '<2mass>', '[@BOS@]']);

/** What the converter takes for special by its form: `<|name|>`, `<｜name｜>`, `<unused7>`. Operators such as `<||>` are none. */
const FORM = /^<(?:\|[^\s|]*\p{L}[^\s|]*\||\uFF5C[^\s\uFF5C]*\p{L}[^\s\uFF5C]*\uFF5C|unused\d+)>$/u;

/** Whether a token is a control token by its text, whatever a GGUF file says of it. */
export function looksLikeControl(token: string): boolean {
  return KNOWN.has(token) || FURTHER.has(token) || FORM.test(token);
}
