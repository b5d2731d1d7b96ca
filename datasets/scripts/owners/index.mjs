import { clinic, vet } from './health.mjs';
import { hotel, parcels } from './services.mjs';
import { bakery, bikes } from './shops.mjs';
import { library, school } from './town.mjs';

/** The eight owners, the largest first. */
export const OWNERS = [clinic, parcels, hotel, library, school, vet, bikes, bakery];
