const list = (text) =>
  text
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** What every organisation with a door and a desk has: most of the examples are about this, whoever owns them. */
export const COMMON = {
  places: list(`the waiting room, the car park, the stairwell, the lobby, the lift, the cellar, the staff kitchen
    the toilets, the corridor, the yard, the laundry room, the store room, the bike shed, the loading bay, the office
    the garage, the attic, the meeting room, the side room, the garden, the boiler room, the basement, the hall, the porch`),
  things: list(`umbrella, scarf, blue rucksack, wallet, reading glasses, phone, charger, black coat, laptop, gloves
    set of keys, green hat, water bottle, handbag, notebook, walking stick, purse, headphones, raincoat, lunch box`),
  items: list(`labels, rolls of tape, boxes of gloves, light bulbs, paper towels, envelopes, pens, bin bags, batteries
    packs of paper, coffee cups, folders, door signs, stamps, bars of soap, extension leads, markers, sponges, mops
    plastic trays, wall hooks, notepads, dusters, tea towels`),
  services: list(`the boiler check, the window repair, a meeting about the invoice, the fire alarm test, the contract
    the insurance form, an interview, the key handover, the carpet measuring, the annual review, the lift inspection
    the payment plan, the new signs, the safety course, the phone contract, the roof repair`),
  objects: list(`the new table, the display board, the metal cabinet, the wooden crate, the spare door, the white shelf
    the mirror, the sofa, the bench, the old printer, the window frame, the carpet roll, the ladder, the green box`),
  chores: list(`ring the plumber, order labels, post the letters, water the plants, test the alarm, clean the windows
    pay the electrician, update the rota, print the signs, check the first aid kit, book the van, sort the post
    fix the printer, empty the bins, change the lock, count the keys, answer the emails, paint the fence
    renew the insurance, tidy the store room, call the landlord, file the invoices, move the chairs, charge the radios`),
  foods: list('the soup, the seed bread, the carrot cake, the salad, the muesli bars, the biscuits, the lemon tart'),
};

const trade = (parts) => Object.fromEntries(Object.entries(parts).map(([key, text]) => [key, list(text)]));

/** What only a trade talks about. */
export const TRADES = {
  clinic: trade({
    places: 'the treatment room, the blood test room, the pharmacy, the baby clinic',
    things: 'prescription, vaccine card, inhaler, hearing aid',
    items: 'syringes, boxes of plasters, face masks, test tubes, bandages, thermometers',
    services: 'a flu jab, a blood test, the asthma check, a blood pressure check, the travel vaccines, a sick note',
    objects: 'the wheelchair, the examination couch, the oxygen bottle, the medicine fridge',
    chores: 'send the blood samples, chase the lab, fax the referral, check the vaccine fridge',
    foods: 'the iron syrup, the throat sweets',
  }),
  parcels: trade({
    places: 'the sorting hall, bay four, the returns room, the depot',
    things: 'parcel, delivery note, customs form, locker code',
    items: 'pallets, straps, mail sacks, padded bags, roll cages, scanner rolls',
    services: 'a parcel collection, the customs clearance, a redelivery, the pallet pickup, an address change',
    objects: 'the long parcel, the pallet, the tube, the drum, the fragile box',
    chores: 'scan the returns, load van six, weigh the sacks, chase the customs form',
    foods: 'the hamper, the chocolate parcel',
  }),
  hotel: trade({
    places: 'room twelve, the breakfast room, the sauna, the bar, the terrace, room thirty',
    things: 'room card, suitcase, evening dress, passport',
    items: 'pillows, bath robes, hand towels, breakfast trays, duvets, wine glasses',
    services: 'a late check-out, a massage, the wedding tasting, a table for six, the airport taxi',
    objects: 'the cot, the luggage trolley, the wardrobe, the parasol',
    chores: 'fold the towels, make up room nine, restock the minibar, book the taxi',
    foods: 'the breakfast buffet, the fish menu, the tasting plate',
  }),
  library: trade({
    places: 'the reading room, the map room, the children corner, the archive',
    things: 'library card, atlas, borrowed novel, sheet music',
    items: 'book jackets, shelf labels, date stamps, index cards, book ends',
    services: 'the local history talk, a card renewal, the reading group, a tour of the archive, a book loan',
    objects: 'the globe, the book trolley, the map chest, the reading lamp',
    chores: 'shelve the returns, mend the atlas, mail the reminders, set out the chairs for story hour',
    foods: 'the reading group cake, the fair trade tea',
  }),
  school: trade({
    places: 'the gym, the science lab, the playground, classroom five, the music room',
    things: 'maths book, pencil case, sports bag, permission slip',
    items: 'exercise books, glue sticks, crayons, bibs, rulers, whiteboard pens',
    services: 'parents evening, the school trip, a talk with the class teacher, the swimming lesson, the entry test',
    objects: 'the goal post, the whiteboard, the piano, the climbing frame',
    chores: 'ring the coach company, copy the reports, print the class list, call the parents of year two',
    foods: 'the school lunch, the bake sale cookies, the pasta',
  }),
  vet: trade({
    places: 'the kennel, the cat ward, the x-ray room, the isolation pen',
    things: 'dog lead, pet passport, cat carrier, rabbit food',
    items: 'cat litter bags, flea collars, dog bowls, muzzles, feeding tubes',
    services: 'a puppy vaccination, the claw trim, a check of the old cat, the rabbit x-ray, a stitches check',
    objects: 'the dog crate, the rabbit hutch, the parrot cage, the small terrier',
    chores: 'feed the ward cats, phone the owner of the terrier, wash the kennel, log the vaccines',
    foods: 'the diet kibble, the dental chews',
  }),
  bikes: trade({
    places: 'the workshop, the test hall, the wash bay, the saddle room',
    things: 'bike lock, helmet, front light, bell',
    items: 'inner tubes, brake pads, chain links, spokes, gear cables, tyres',
    services: 'a brake check, a new chain, the wheel truing, a winter service, a puncture repair, the gear tuning',
    objects: 'the cargo bike, the frame, the front wheel, the child seat',
    chores: 'true the wheels, oil the chains, order inner tubes, fit the new saddle',
    foods: 'the energy gels, the oat bars',
  }),
  bakery: trade({
    places: 'the oven room, the flour store, the cake kitchen, the proving room',
    things: 'cake tin, loyalty card, bread basket, apron',
    items: 'sacks of flour, baking sheets, cake boxes, trays of eggs, jars of jam, rye loaves',
    services: 'a birthday cake, the wedding cake tasting, the Saturday order, a tray of rolls, the bread course',
    objects: 'the dough mixer, the bread rack, the three tier cake, the sack of rye',
    chores: 'feed the sourdough, light the oven, ice the wedding cake, order yeast',
    foods: 'the rye loaf, the almond croissants, the plum cake',
  }),
  dentist: trade({
    places: 'the surgery upstairs, the hygienist room, the recovery room',
    things: 'night guard, toothbrush bag, brace case',
    items: 'dental mirrors, tubes of paste, gauze packs, drill heads',
    services: 'a check-up, a filling, the brace fitting, a crown repair',
    objects: 'the dental chair, the steriliser, the lamp arm',
    chores: 'sterilise the mirrors, ring the dental lab, order gauze',
    foods: 'the sugar free gum',
  }),
  museum: trade({
    places: 'the sculpture gallery, the ticket hall, the coin cabinet, the cloakroom',
    things: 'audio guide, ticket, sketch pad',
    items: 'wall texts, glass domes, floor plans, white gloves',
    services: 'a guided tour, the restoration visit, a school workshop, the loan agreement',
    objects: 'the marble bust, the glass case, the ship model, the oil painting',
    chores: 'dust the ship model, rewrite the wall texts, call the restorer',
    foods: 'the cafe flapjack',
  }),
  garage: trade({
    places: 'the inspection pit, the tyre store, the paint shop',
    things: 'spare key, parking disc, sunglasses',
    items: 'oil filters, wiper blades, fuses, hub caps',
    services: 'an oil change, the winter tyres, the exhaust repair, a brake fluid change',
    objects: 'the engine block, the bumper, the gearbox',
    chores: 'check the tyre pressure, order wiper blades, wash the courtesy car',
    foods: 'the vending machine crisps',
  }),
};

/** The words of one example: its trade's with probability `share`, else what is common. */
export function vocabulary(rng, trade, share) {
  return (kind) => rng.pick(rng.chance(share) ? TRADES[trade][kind] : COMMON[kind]);
}
