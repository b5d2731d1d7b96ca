/**
 * Names in the coordinator's account. Each owner has an account of its own, whose public key stands in every subject that it can
 * reach: the server itself puts it there (`account_token_position`), so that no owner can name another's. One stream an owner, called as
 * its account, holds the last message of each subject.
 */
export const subjectsOf = (account: string) => ({
  /** The task under way: a signed manifest. */
  task: `fed.task.${account}`,
  /** The pieces of its request. */
  down: `fed.down.${account}`,
  /** What the owner answered last: a signed manifest. */
  reply: `fed.reply.${account}`,
  /** The pieces of its reply, and below the same id how many steps are done, for a display: nobody relies on it. */
  up: `fed.up.${account}`,
});

/** The same names as an owner has them in its own account. */
export const OWNER_SUBJECTS = {
  task: 'fed.task',
  reply: 'fed.reply',
  up: 'fed.up',
  /** Before the subject of a message in the owner's stream: gives that message. */
  get: 'fed.get',
  enrol: 'fed.enrol',
} as const;

/** The last part of the subject under which an owner says how many steps of a task are done; pieces have numbers there. */
export const STEPS = 'steps';

/** Where the coordinator is asked to take in owners. */
export const ENROL_SUBJECT = 'fed.enrol.*';

/** Everything that lies in an owner's stream. */
export function streamSubjects(account: string): string[] {
  const { task, down, reply, up } = subjectsOf(account);
  return [task, `${down}.*.*`, reply, `${up}.*.*`];
}
