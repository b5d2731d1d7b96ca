import { compactAdapter } from '../adapter/components.js';
import type { ScoreRequest } from '../contracts/messages.js';
import { isSampled } from '../contracts/samples.js';
import { writePeftAdapter } from '../export/index.js';
import { adaptersOf } from './candidates.js';
import type { OpenOwner } from './openOwner.js';

/**
 * Leaves the owner's own adapter of a round in its home, in PEFT's form, where questions are answered after this round (`samples_every`) by
 * whoever works on the owner's machine. What goes wrong is not told of: who looks for it finds nothing, and no score depends on it.
 */
export async function leaveSampled(owner: OpenOwner, request: ScoreRequest, dir: string): Promise<void> {
  const { config, model } = owner.setup;
  if (config.runtime === 'nats' || !isSampled(config, request.round)) return;
  const { personalized } = adaptersOf(owner, request);
  if (personalized === undefined) return;
  const adapter = compactAdapter(personalized);
  await writePeftAdapter(dir, adapter, model, { loraDropout: config.lora_dropout }).catch(() => {});
}
