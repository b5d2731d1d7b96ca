import type { RunConfig } from '../config/schema.js';
import { type PromptTemplate, resolveTemplate, type Split } from '../data/index.js';
import { answerAll, llamaCppFile } from '../export/index.js';
import type { BaseModel } from '../model/index.js';
import { scoreAnswer } from './answerScores.js';
import { loadOpenQuestions } from './answers.js';
import { loadQuestions, QUESTION_PROMPT, type TokenizedQuestion, tokenizeQuestions } from './choiceItems.js';
import { loadClasses } from './classes.js';
import { loadDataItems } from './dataItems.js';
import { type Item, targetsOf } from './items.js';
import type { EvalReport, ExampleLine, TextResult } from './results.js';
import { Scorer } from './scorer.js';
import type { Subject } from './subjects.js';
import {
  answersOf,
  type SubjectScores,
  summarizeAnswers,
  summarizeChoices,
  summarizeClasses,
  summarizePerplexity,
} from './summarize.js';
import { loadTexts, type TextDocument, type WindowChoice, windowsOf } from './textItems.js';

/** Rows as a run reads them, or run folders. */
interface RowsOptions {
  readonly specs: readonly string[];
  readonly split?: Split | 'all' | undefined;
  readonly limit?: number | undefined;
}

/** Longest answer in tokens, where nothing is said. */
const MAX_TOKENS = 128;

export interface EvalOptions {
  readonly model: BaseModel;
  /** What is scored, in the order of the tables; an adapter of null is the bare base. */
  readonly subjects: readonly Subject[];
  /** How data is read and becomes tokens (`data`, `template`, `seq_length`, ...), and what the base is kept in. */
  readonly config: RunConfig;
  /** Score the examples of `config.data`. */
  readonly data?: { readonly split?: Split | 'all' | undefined; readonly limit?: number | undefined } | undefined;
  /** Score plain text. */
  readonly text?: ({ readonly paths: readonly string[] } & WindowChoice) | undefined;
  /** Score multiple choice; `prompt`: a text with `{question}`, or `template` for the prompt template. */
  readonly choices?:
    | { readonly specs: readonly string[]; readonly prompt?: string | undefined; readonly limit?: number | undefined }
    | undefined;
  /** Classify examples, whose different answers are the classes. */
  readonly classes?: RowsOptions | undefined;
  /** Score the answers that llama.cpp writes; `file`: a GGUF file of the base, where that is a folder. */
  readonly answers?:
    | (RowsOptions & { readonly maxTokens?: number | undefined; readonly file?: string | undefined })
    | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sequences scored so far out of all, over all subjects. */
  readonly onProgress?: ((done: number, total: number, subject: string) => void) | undefined;
}

export interface Evaluated {
  readonly report: EvalReport;
  /** The scores of single examples, one a line. */
  lines(): Generator<ExampleLine>;
}

/** A set of sequences with what each subject scored on it. */
interface ScoredSet<T> {
  readonly made: T;
  readonly items: readonly Item[];
  scores: SubjectScores[];
}

const setOf = <T>(made: T, items: readonly Item[]): ScoredSet<T> => ({ made, items, scores: [] });

/** All subjects on all sets: the base is loaded once, and once scored. */
async function scoreAll(sets: readonly ScoredSet<unknown>[], options: EvalOptions): Promise<string | null> {
  if (sets.length === 0) return null;
  const { model, subjects, config, signal, onProgress } = options;
  const { precision, kernels, threads } = config;
  using scorer = new Scorer({
    ...{ description: model.description, precision, kernels, signal },
    threads: threads ?? undefined,
  });
  const total = subjects.length * sets.reduce((sum, { items }) => sum + items.length, 0);
  let before = 0;
  for (const subject of subjects) {
    for (const set of sets) {
      const nll = await scorer.score(subject.adapter, set.items, (done) =>
        onProgress?.(before + done, total, subject.name),
      );
      before += set.items.length;
      set.scores.push({ subject, nll });
    }
  }
  return scorer.kernels;
}

/** Answers in words of all subjects. */
async function answerSet(options: EvalOptions) {
  const { answers, config, model, subjects, signal, onProgress } = options;
  if (answers === undefined) return undefined;
  const { specs, file, maxTokens = MAX_TOKENS } = answers;
  const gguf = llamaCppFile(model, file);
  const made = await loadOpenQuestions(rowsOf(config, specs), model, { ...answers, signal, maxTokens });
  const prompts = made.questions.map(({ prompt }) => prompt);
  const threads = config.threads ?? undefined;
  const texts = await answerAll({ model, file: gguf, subjects, prompts, maxTokens, threads, signal, onProgress });
  return { ...made, maxTokens, answers: subjects.map((subject, i) => ({ subject, texts: texts[i]! })) };
}
type AnswerSet = NonNullable<Awaited<ReturnType<typeof answerSet>>>;

const rowsOf = (config: RunConfig, specs: readonly string[]): RunConfig => ({ ...config, data: [...specs] });

async function choicePrompt({ choices, config, model }: EvalOptions): Promise<string | PromptTemplate> {
  const prompt = choices?.prompt ?? QUESTION_PROMPT;
  return prompt === 'template' ? resolveTemplate(config.template, model) : prompt;
}

/** What is read and tokenised, in the order of the report. */
async function readSets(options: EvalOptions) {
  const { data, text, choices, classes, config, model, signal } = options;
  const dataItems = data && (await loadDataItems(config, model, { ...data, signal }));
  const documents = text && (await loadTexts(text.paths, model, text));
  const questions =
    choices &&
    tokenizeQuestions(
      await loadQuestions(choices.specs, { encoding: config.encoding, limit: choices.limit }),
      model,
      await choicePrompt(options),
    );
  const classified = classes && (await loadClasses(rowsOf(config, classes.specs), model, { ...classes, signal }));
  return {
    data: dataItems && setOf(dataItems, dataItems.items),
    text:
      documents &&
      setOf(
        documents,
        documents.flatMap(({ items }) => items),
      ),
    choices:
      questions &&
      setOf(
        questions,
        questions.flatMap(({ items }) => items),
      ),
    classes:
      classified &&
      setOf(
        classified,
        classified.questions.flatMap(({ items }) => items),
      ),
  };
}

type Sets = Awaited<ReturnType<typeof readSets>>;

function textResults({ made, items, scores }: ScoredSet<readonly TextDocument[]>): TextResult[] {
  const bytes = made.reduce((sum, document) => sum + document.bytes, 0);
  const words = made.reduce((sum, document) => sum + document.words, 0);
  return summarizePerplexity(items, scores).map((result, i) => {
    const nll = scores[i]!.nll.reduce((sum, value) => sum + value, 0);
    const bits = nll / Math.LN2 / bytes;
    return { ...result, byte_ppl: Math.exp(nll / bytes), bits_per_byte: bits, word_ppl: Math.exp(nll / words) };
  });
}

function reportOf(
  { data, text, choices, classes }: Sets,
  answers: AnswerSet | undefined,
  options: EvalOptions,
  kernels: string | null,
): EvalReport {
  const { model, config } = options;
  const { name, sha256, description } = model;
  return {
    model: { name, sha256, precision: config.precision, kernels },
    ...(data && {
      data: {
        ...{ split: data.made.split, template: data.made.template },
        seq_length: Math.min(config.seq_length, description.contextLength),
        cut: data.made.summary.cut,
        targets_lost: data.made.summary.targetsLost,
        left_out: data.made.summary.long + data.made.summary.empty + data.made.summary.bad,
        results: summarizePerplexity(data.items, data.scores),
      },
    }),
    ...(text && {
      text: {
        ...sizesOf(options.text!, description.contextLength),
        bytes: text.made.reduce((sum, { bytes }) => sum + bytes, 0),
        words: text.made.reduce((sum, { words }) => sum + words, 0),
        results: textResults(text),
      },
    }),
    ...(choices && {
      choices: {
        prompt: options.choices?.prompt ?? QUESTION_PROMPT,
        results: summarizeChoices(choices.made, choices.scores),
      },
    }),
    ...(classes && {
      classes: { labels: classes.made.labels, results: summarizeClasses(classes.made.questions, classes.scores) },
    }),
    ...(answers && {
      answers: {
        ...{ split: answers.split, template: answers.template, max_tokens: answers.maxTokens },
        results: summarizeAnswers(answers.questions, answers.answers),
      },
    }),
  };
}

function sizesOf(choice: WindowChoice, contextLength: number) {
  const { size, stride, rolling } = windowsOf(choice, contextLength);
  return { window: size, stride, rolling };
}

const labelsOf = ({ owner, category }: Pick<Item, 'owner' | 'category'>) => ({
  ...(owner === undefined ? {} : { owner }),
  ...(category === undefined ? {} : { category }),
});

function* sequenceLines(set: 'data' | 'text', { items, scores }: ScoredSet<unknown>): Generator<ExampleLine> {
  for (const [i, item] of items.entries()) {
    const nll = Object.fromEntries(scores.map(({ subject, nll }) => [subject.name, nll[i]]));
    yield { set, id: item.id, ...labelsOf(item), targets: targetsOf(item), nll };
  }
}

function* choiceLines(
  set: 'choices' | 'classes',
  made: readonly TokenizedQuestion[],
  scores: readonly SubjectScores[],
): Generator<ExampleLine> {
  const answers = scores.map(({ subject, nll }) => ({ name: subject.name, answers: answersOf(made, nll) }));
  for (const [i, { question }] of made.entries()) {
    const by = Object.fromEntries(
      answers.map(({ name, answers }) => {
        const { nll, picked, pickedNorm } = answers[i]!;
        return [name, { nll, picked, picked_norm: pickedNorm }];
      }),
    );
    yield { set, id: question.id, ...labelsOf(question), answer: question.answer, answers: by };
  }
}

function* answerLines({ questions, answers }: AnswerSet): Generator<ExampleLine> {
  for (const [i, question] of questions.entries()) {
    const { id, reference } = question;
    const by = Object.fromEntries(
      answers.map(({ subject, texts }) => [subject.name, { text: texts[i]!, ...scoreAnswer(texts[i]!, reference) }]),
    );
    yield { set: 'answers', id, ...labelsOf(question), reference, answers: by };
  }
}

/**
 * Scores a base and adapters on data, plain text, multiple choice, classes and answers in words.
 *
 * Throws ConfigError, DataError, AdapterError, ModelError, EngineError; InterruptedError when `signal` fires.
 */
export async function evaluate(options: EvalOptions): Promise<Evaluated> {
  const sets = await readSets(options);
  const all = Object.values(sets).filter((set) => set !== undefined);
  const kernels = await scoreAll(all, options);
  const answers = await answerSet(options);
  return {
    report: reportOf(sets, answers, options, kernels),
    *lines() {
      if (sets.data) yield* sequenceLines('data', sets.data);
      if (sets.text) yield* sequenceLines('text', sets.text);
      if (sets.choices) yield* choiceLines('choices', sets.choices.made, sets.choices.scores);
      if (sets.classes) yield* choiceLines('classes', sets.classes.made.questions, sets.classes.scores);
      if (answers) yield* answerLines(answers);
    },
  };
}
