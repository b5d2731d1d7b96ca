import { type AnswerScore, scoreAnswer } from './answerScores.js';
import type { OpenQuestion } from './answers.js';
import type { TokenizedQuestion } from './choiceItems.js';
import { macroF1 } from './classes.js';
import { estimate, overAll, overGroups, paired, type Sample } from './estimates.js';
import { groupBy, type Item, targetsOf } from './items.js';
import type {
  AnswersResult,
  AnswersScore,
  ChoiceScore,
  ChoicesResult,
  ClassesResult,
  ClassScore,
  PerplexityResult,
  PerplexityScore,
  Scored,
} from './results.js';
import type { Subject } from './subjects.js';

/** A subject and the NLL sum of each sequence, in nats. */
export interface SubjectScores {
  readonly subject: Subject;
  readonly nll: Float64Array;
}

const same = (value: number): number => value;

/** Scores of all, of each owner and of each category. */
function byGroup<Score>(
  labels: readonly { readonly owner: string | undefined; readonly category: string | undefined }[],
  score: (places: readonly number[]) => Score,
): Omit<Scored<Score>, 'name'> {
  const of = (label: 'owner' | 'category') =>
    Object.fromEntries([...groupBy(labels, label)].map(([name, places]) => [name, score(places)]));
  return { all: score(labels.map((_, i) => i)), owners: of('owner'), categories: of('category') };
}

/** Perplexity of every subject on the same sequences, the bare base among them or not. */
export function summarizePerplexity(items: readonly Item[], scores: readonly SubjectScores[]): PerplexityResult[] {
  const per = items.map(targetsOf);
  const samplesOf = ({ nll }: SubjectScores): Sample[] => per.map((targets, i) => ({ value: nll[i]!, per: targets }));
  const base = scores.find(({ subject }) => subject.adapter === null);
  const baseSamples = base && samplesOf(base);
  const owners = [...groupBy(items, 'owner').values()];
  return scores.map((scored) => {
    const samples = samplesOf(scored);
    const pick = (places: readonly number[]) => places.map((i) => samples[i]!);
    const score = (places: readonly number[]): PerplexityScore => ({
      examples: places.length,
      tokens: places.reduce((sum, i) => sum + per[i]!, 0),
      nll: overMean(pick(places)),
      ppl: overAll(pick(places), Math.exp),
    });
    return {
      name: scored.subject.name,
      ...byGroup(items, score),
      ...(owners.length > 1 ? { mean_of_owners: overGroups(owners.map(pick), Math.exp) } : {}),
      ...(baseSamples && scored !== base
        ? { against_base: paired(samples, baseSamples, (a, b) => Math.exp(a - b) - 1) }
        : {}),
    };
  });
}

const overMean = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { value }) => sum + value, 0) / samples.reduce((sum, { per }) => sum + per, 0);

/** What a subject answers to a question: the likeliest choice, and the likeliest per letter; ties go to the first. */
export interface Answered {
  readonly nll: readonly number[];
  readonly picked: number;
  readonly pickedNorm: number;
}

const leastAt = (values: readonly number[]): number =>
  values.reduce((best, value, i) => (value < values[best]! ? i : best), 0);

/** The answers of one subject, from the NLL sums of the choices of all questions one after the other. */
export function answersOf(questions: readonly TokenizedQuestion[], nll: Float64Array): Answered[] {
  let at = 0;
  return questions.map(({ question: { choices } }) => {
    const own = [...nll.subarray(at, at + choices.length)];
    at += choices.length;
    // Letters as Python counts them: code points.
    const perLetter = own.map((value, i) => value / [...choices[i]!].length);
    return { nll: own, picked: leastAt(own), pickedNorm: leastAt(perLetter) };
  });
}

/** Accuracies of every subject on the same questions. */
export function summarizeChoices(
  questions: readonly TokenizedQuestion[],
  scores: readonly SubjectScores[],
): ChoicesResult[] {
  const labels = questions.map(({ question }) => question);
  const samplesOf = ({ nll }: SubjectScores, which: 'picked' | 'pickedNorm'): Sample[] =>
    answersOf(questions, nll).map((answered, i) => ({ value: answered[which] === labels[i]!.answer ? 1 : 0, per: 1 }));
  const base = scores.find(({ subject }) => subject.adapter === null);
  const baseSamples = base && samplesOf(base, 'picked');
  return scores.map((scored) => {
    const [plain, norm] = [samplesOf(scored, 'picked'), samplesOf(scored, 'pickedNorm')];
    const score = (places: readonly number[]): ChoiceScore => ({
      questions: places.length,
      accuracy: overAll(
        places.map((i) => plain[i]!),
        same,
      ),
      accuracy_norm: overAll(
        places.map((i) => norm[i]!),
        same,
      ),
    });
    return {
      name: scored.subject.name,
      ...byGroup(labels, score),
      ...(baseSamples && scored !== base ? { against_base: paired(plain, baseSamples, (a, b) => a - b) } : {}),
    };
  });
}

const difference = (a: number, b: number): number => a - b;

/** Accuracy and macro F1 of every subject on the same examples. */
export function summarizeClasses(
  questions: readonly TokenizedQuestion[],
  scores: readonly SubjectScores[],
): ClassesResult[] {
  const labels = questions.map(({ question }) => question);
  const all = scores.map(({ nll }) => answersOf(questions, nll).map(({ picked }) => picked));
  const samples = all.map((picked) =>
    picked.map((one, i): Sample => ({ value: one === labels[i]!.answer ? 1 : 0, per: 1 })),
  );
  const base = scores.findIndex(({ subject }) => subject.adapter === null);
  return scores.map(({ subject }, s) => {
    const score = (places: readonly number[]): ClassScore => {
      const right = places.map((i) => labels[i]!.answer);
      const picked = places.map((i) => all[s]![i]!);
      return {
        examples: places.length,
        accuracy: overAll(
          places.map((i) => samples[s]![i]!),
          same,
        ),
        macro_f1: estimate(places.length, (pick) => macroF1(right, picked, (place) => pick(place, places.length))),
      };
    };
    return {
      name: subject.name,
      ...byGroup(labels, score),
      ...(base >= 0 && s !== base ? { against_base: paired(samples[s]!, samples[base]!, difference) } : {}),
    };
  });
}

/** What each subject answered, in the order of the questions, beside the answers of the data. */
export function summarizeAnswers(
  questions: readonly OpenQuestion[],
  answers: readonly { readonly subject: Subject; readonly texts: readonly string[] }[],
): AnswersResult[] {
  const all = answers.map(({ texts }) => texts.map((text, i) => scoreAnswer(text, questions[i]!.reference)));
  const samplesOf = (scores: readonly AnswerScore[], key: keyof AnswerScore, places: readonly number[]): Sample[] =>
    places.map((i) => ({ value: scores[i]![key], per: 1 }));
  const everywhere = questions.map((_, i) => i);
  const base = answers.findIndex(({ subject }) => subject.adapter === null);
  const rougeOf = (s: number) => samplesOf(all[s]!, 'rougeL', everywhere);
  return answers.map(({ subject }, s) => {
    const score = (places: readonly number[]): AnswersScore => ({
      examples: places.length,
      exact_match: overAll(samplesOf(all[s]!, 'exact', places), same),
      rouge1: overAll(samplesOf(all[s]!, 'rouge1', places), same),
      rougeL: overAll(samplesOf(all[s]!, 'rougeL', places), same),
    });
    return {
      name: subject.name,
      ...byGroup(questions, score),
      ...(base >= 0 && s !== base ? { against_base: paired(rougeOf(s), rougeOf(base), difference) } : {}),
    };
  });
}
