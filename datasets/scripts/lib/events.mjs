/**
 * What people write to an organisation about. `say`: the heart of their message; `gist`: the same in a few words, as a
 * member of staff would note it; `mood`: what kind of answer it calls for. Slots are drawn in messages.mjs.
 */
export const EVENTS = {
  leak: {
    label: 'water leak',
    mood: 'danger',
    gist: 'water leak in {place}',
    say: [
      'There is water coming through the ceiling in {place}.',
      'A pipe has burst in {place} and the floor is soaked.',
      'The tap in {place} will not turn off and it is running over.',
      'Something is dripping onto the lights in {place}.',
      'We found a puddle in {place} and it is still growing.',
      'I just stepped into two inches of water in {place}.',
    ],
  },
  gas: {
    label: 'gas smell',
    mood: 'danger',
    gist: 'gas smell near {place}',
    say: [
      'I can smell gas near {place}.',
      'It smells like rotten eggs around {place}, could that be gas?',
      'There is a hissing noise and a smell of gas by {place}.',
      'Two of us noticed gas when we walked past {place}.',
      'Somebody should check the gas at {place}, the smell is strong.',
    ],
  },
  fall: {
    label: 'fall',
    mood: 'danger',
    gist: 'fall near {place}',
    say: [
      'A man has slipped near {place} and cannot put weight on his foot.',
      'My aunt tripped over a cable by {place} and hurt her wrist.',
      'An old lady fell on the wet floor near {place}.',
      'I fell over a box near {place} and my knee is swollen.',
      'A child has fallen off a chair near {place} and is crying.',
    ],
  },
  unwell: {
    label: 'person unwell',
    mood: 'danger',
    gist: 'person unwell in {place}',
    say: [
      'My son feels dizzy and is sitting down in {place}.',
      'A woman in {place} has gone very pale and needs help.',
      'My father has chest pain, we are in {place}.',
      'Somebody has fainted in {place}.',
      'My friend feels sick and cannot leave {place}.',
    ],
  },
  lockout: {
    label: 'locked out',
    mood: 'danger',
    gist: 'locked out at {place}',
    say: [
      'I am standing outside {place} and my key does not turn.',
      'The door of {place} has shut behind me and my coat is inside.',
      'We cannot get into {place}, the code is refused.',
      'Nobody opens at {place} and I have no key.',
      'The lock at {place} is stuck again and I cannot get in.',
    ],
  },
  theft: {
    label: 'theft',
    mood: 'danger',
    gist: '{thing} stolen from {place}',
    say: [
      'Somebody has taken my {thing} from {place}.',
      'My {thing} was stolen while I was in {place}.',
      'I saw a boy run off from {place} with my {thing}.',
      'My {thing} is gone, I had left it locked up in {place}.',
    ],
  },
  lost: {
    label: 'lost item',
    mood: 'noted',
    gist: '{thing} left in {place}, {date}',
    say: [
      'I think I left my {thing} in {place} on {date}.',
      'On {date} I was in {place} and forgot my {thing}.',
      'Has anybody handed in my {thing}? I last had it in {place} on {date}.',
      'My {thing} must still be in {place}, I was there on {date}.',
      'Could you look for my {thing}? It should be in {place}, where I sat on {date}.',
    ],
  },
  charged: {
    label: 'double charge',
    mood: 'sorry',
    gist: 'charged {money} twice, {ref}',
    say: [
      'I was charged {money} twice on invoice {ref}.',
      'Invoice {ref} says {money}, but my bank shows that sum two times.',
      'You took {money} from my card and then {money} again, for invoice {ref}.',
      'The {money} for invoice {ref} left my account twice.',
    ],
  },
  refund: {
    label: 'refund',
    mood: 'noted',
    gist: 'refund of {money}, {ref}',
    say: [
      'I would like my {money} back for order {ref}.',
      'When do I get the refund of {money} for order {ref}?',
      'Order {ref} was cancelled, so please return the {money}.',
      'I sent order {ref} back and still wait for {money}.',
    ],
  },
  late: {
    label: 'running late',
    mood: 'noted',
    gist: '{minutes} min late, {time}',
    say: [
      'I will be about {minutes} minutes late for my slot at {spoken}.',
      'We are stuck in traffic and reach you {minutes} minutes after {spoken}.',
      'My bus broke down, so instead of {spoken} make it {minutes} minutes later.',
      'Sorry, I cannot make {spoken}, I need {minutes} minutes more.',
    ],
  },
  cancel: {
    label: 'cancellation',
    mood: 'noted',
    gist: 'cancels {date}, {time}',
    say: [
      'I have to cancel my booking on {date} at {spoken}.',
      'Please take me out of the diary for {date}, {spoken}.',
      'Something came up, so {date} at {spoken} does not work any more.',
      'We cannot come on {date}, please give the {spoken} slot to somebody else.',
    ],
  },
  praise: {
    label: 'praise',
    mood: 'glad',
    gist: 'praise for {colleague}',
    say: [
      'Your colleague {colleague} was wonderful with my mother.',
      'I want to say that {colleague} went out of the way to help us.',
      'Please tell {colleague} that we are very grateful.',
      'What a friendly welcome from {colleague}, it made my week.',
      'Full marks to {colleague}, who stayed late for us.',
    ],
  },
  rude: {
    label: 'complaint',
    mood: 'sorry',
    gist: 'complaint about {colleague}',
    say: [
      '{colleague} was rude to me on the phone.',
      'I was not happy with how {colleague} spoke to my husband.',
      'Your {colleague} laughed at my question and walked off.',
      'I asked {colleague} for help three times and was ignored.',
    ],
  },
  noise: {
    label: 'noise',
    mood: 'sorry',
    gist: 'noise from {place}',
    say: [
      'There is a loud banging from {place} since this morning.',
      'The music from {place} is far too loud.',
      'Something is rattling in {place} and nobody can work.',
      'The alarm in {place} keeps beeping every minute.',
    ],
  },
  missing: {
    label: 'missing order',
    mood: 'sorry',
    gist: 'order {ref} missing since {date}',
    say: [
      'Order {ref} should have come on {date}, but nothing arrived.',
      'I have been waiting for order {ref} since {date}.',
      'You promised order {ref} for {date}. Where is it?',
      'The box for order {ref} was empty when it was dropped off on {date}.',
    ],
  },
  wrong: {
    label: 'wrong item',
    mood: 'sorry',
    gist: 'got {item}, not {other}, {ref}',
    say: [
      'I ordered {other} and you sent {item}, order {ref}.',
      'Order {ref} has {item} in it instead of {other}.',
      'There must be a mix-up with order {ref}: we got {item}, not {other}.',
      'We asked for {other} but unpacked {item}, the number is {ref}.',
    ],
  },
  hours: {
    label: 'opening hours',
    mood: 'question',
    gist: 'open on {date}?',
    say: [
      'Are you open on {date}?',
      'Can I drop by on {date}, or are you closed?',
      'What are your hours on {date}?',
      'I could only come on {date}, is somebody there?',
    ],
  },
  parking: {
    label: 'parking',
    mood: 'question',
    gist: 'parking near {place}?',
    say: [
      'Is there somewhere to park near {place}?',
      'We come with a van, can we stop by {place}?',
      'Do I need a permit to park close to {place}?',
      'My mother cannot walk far, may we park next to {place}?',
    ],
  },
  form: {
    label: 'form request',
    mood: 'question',
    gist: 'form for {service}',
    say: [
      'Could you send me the form for {service}?',
      'Where do I find the papers for {service}?',
      'I need the form for {service} before I can come in.',
      'Please post me whatever I have to fill in for {service}.',
    ],
  },
  allergy: {
    label: 'allergy question',
    mood: 'question',
    gist: 'nuts in {food}?',
    say: [
      'Are there any nuts in {food}?',
      'My daughter has a nut allergy. Can she have {food}?',
      'Before we try {food}, does it contain nuts?',
      'Is {food} safe for somebody who cannot eat nuts?',
    ],
  },
  internet: {
    label: 'internet down',
    mood: 'sorry',
    gist: 'internet down in {place}',
    say: [
      'The internet in {place} has been down all day.',
      'I cannot get onto the wifi in {place}.',
      'The card reader in {place} has lost its connection.',
      'Every page I open in {place} says there is no network.',
    ],
  },
};

export const EVENT_NAMES = Object.keys(EVENTS);
