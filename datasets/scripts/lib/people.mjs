const words = (text) => text.trim().split(/\s+/);

export const FIRST = words(`
Nadia Owen Priya Marcus Ines Tomasz Grace Hamid Elena Victor Ruth Samir Joan Piotr Leila Arthur Mona Felix Anya Declan
Farah Hugo Irene Kofi Lucy Miguel Nora Oscar Petra Quentin Rosa Stefan Tara Umar Vera Walter Yusuf Zoe Alice Bruno Clara
Daniel Edith Frank Gita Henry Isla Jamal Karin Liam Maeve Nils Olga Paul Rita Simon Tess Uma Viola Wendy Adam Beth Colin
Dora Emil Fiona George Hanna Ivan Jill Kurt Lena Martin Nina Otto Pia Ralph Sonia Theo Ursula Vince Will Yara Zara Aisha
Ben Chloe Dennis Eva Fergus Gwen Hassan Iris Jonas Kate Leo Maya Neil Orla Percy Robin Selma Trevor
`);

export const LAST = words(`
Okafor Hale Byrne Novak Castillo Mensah Lindqvist Patel Moreau Weaver Ferrari Singh Kowalski Dunne Abbott Haddad Fischer
Quinn Larsen Osman Carver Bishop Tanaka Petrov Marsh Oyelaran Whitlow Greer Santos Holt Iqbal Jensen Keane Lowe Maddox
Nash Orton Pike Rahman Shaw Thorne Upton Vance Walsh Yates Zeller Ashby Barlow Crane Doyle Emery Foley Gibbs Hobbs Irwin
Joyce Kemp Logan Mercer Nolan Osborne Parry Reeve Sutton Tully Usher Varga Wynne Amin Blythe Conti Drake Ellis Farrow
Grant Hume Ivory Jarvis Knight Leary Moss Newell Ortega Poole Rossi Stone Tate Underhill Vaughan Webb Amsel Brandt Cole
Dietz Egan Frost Galvin Hurst
`);

/** `{first, last}`. */
export const person = (rng) => ({ first: rng.pick(FIRST), last: rng.pick(LAST) });
export const firstName = (rng) => rng.pick(FIRST);

export const WEEKDAYS = words('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
export const MONTHS = words('January February March April May June July August September October November December');
const YEAR = 2026;

/** A day of 2026, Monday to Saturday: `{day, month (0-11), weekday (0 = Monday)}`. */
export function date(rng) {
  for (;;) {
    const when = new Date(Date.UTC(YEAR, 0, 1 + rng.int(365)));
    if (when.getUTCDay() !== 0) return dateOf(when);
  }
}

function dateOf(when) {
  return { day: when.getUTCDate(), month: when.getUTCMonth(), weekday: (when.getUTCDay() + 6) % 7 };
}

/** The day `days` later. */
export function later({ day, month }, days) {
  return dateOf(new Date(Date.UTC(YEAR, month, day + days)));
}

/** Opening hours, 8:00 to 17:45: `{hour, minute}`, mostly at the quarters. */
export function time(rng) {
  return { hour: rng.between(8, 17), minute: rng.chance(0.85) ? 15 * rng.int(4) : 5 * rng.int(12) };
}
