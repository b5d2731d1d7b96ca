import { z } from 'zod';
import { FedtuneError } from '../errors.js';

const HOURS = /^(\d{1,2})(?::(\d{2}))?-(\d{1,2})(?::(\d{2}))?$/;
const DAY = 24 * 60;

/** Minutes of the day from which and up to which (not including it); over midnight where the second is the smaller one. */
function readHours(text: string): readonly [number, number] | undefined {
  const found = HOURS.exec(text);
  if (found === null) return undefined;
  const [fromHour, fromMinute, toHour, toMinute] = found.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  const [from, to] = [60 * fromHour + fromMinute, 60 * toHour + toMinute];
  if (fromMinute > 59 || toMinute > 59 || from >= DAY || to > DAY || from === to % DAY) return undefined;
  return [from, to % DAY];
}

export const hoursSchema = z
  .string()
  .refine((text) => readHours(text) !== undefined, 'expected hours of the day like 22:00-06:00, first and last unlike');

export const timeZoneSchema = z.string().refine((timeZone) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}, 'expected a time zone like Europe/Vienna');

/** Throws FedtuneError OUT_OF_HOURS where it is not the time of day at which an owner trains. */
export function checkHours(
  limits: { readonly hours: string | null; readonly time_zone: string | null },
  now: Date,
): void {
  const { hours, time_zone: zone } = limits;
  if (hours === null) return;
  const [from, to] = readHours(hours)!;
  const { timeZone } = new Intl.DateTimeFormat('en', zone === null ? {} : { timeZone: zone }).resolvedOptions();
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(now);
  const [hour, minute] = clock.split(':').map(Number) as [number, number];
  const at = 60 * hour + minute;
  const isOpen = from < to ? at >= from && at < to : at >= from || at < to;
  if (isOpen) return;
  throw new FedtuneError('OUT_OF_HOURS', `The owner trains at ${hours} (${timeZone}), where it is ${clock} now.`);
}
