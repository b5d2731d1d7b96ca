/** How a tokenizer.json of the SentencePiece kind says that text begins with a space. */
export type SpaceRule = 'prepend' | 'metaspace-first' | 'metaspace-always';

const SPACE = '\u2581';

/** A tokenizer.json like Llama 2's: BPE over whole sentences with byte fallback, a few merges, three control tokens. */
export function sentencePieceJson(rule: SpaceRule): Record<string, unknown> {
  const special = ['<unk>', '<s>', '</s>', '<|end|>'];
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const letters = [SPACE, ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?#/\\[]()_-'];
  const merges = [
    [SPACE, SPACE],
    ['t', 'h'],
    ['th', 'e'],
    [SPACE, 'the'],
    [SPACE, 'T'],
    ['h', 'e'],
    [SPACE, 'a'],
    ['l', 'l'],
    ['o', '.'],
    ['.', SPACE],
    ['.', 'T'],
    ['e', '.'],
    [':', SPACE],
  ];
  const tokens = [...new Set([...special, ...bytes, ...letters, ...merges.map((pair) => pair.join(''))])];
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  const prepend = { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE }, replace] };
  const scheme = rule === 'metaspace-first' ? 'first' : 'always';
  return {
    added_tokens: special.map((content, id) => ({ id, content, special: true, normalized: false })),
    normalizer: rule === 'prepend' ? prepend : null,
    pre_tokenizer:
      rule === 'prepend' ? null : { type: 'Metaspace', replacement: SPACE, prepend_scheme: scheme, split: false },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      fuse_unk: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(' ')),
    },
  };
}
