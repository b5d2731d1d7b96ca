// What the page does by itself: sorts its tables, finds owners and, where a run serves it, follows that run. Without this
// script the page shows the same.

const texts = new Intl.Collator('en', { numeric: true });
const all = (root, selector) => [...root.querySelectorAll(selector)];

const plain = (cell) =>
  cell.textContent
    .trim()
    .replace('−', '-')
    .replace(/^under /, '');

/** Rows by a column: numbers where all are, else texts; what is not there comes last. */
function compareBy(rows, column, descending) {
  const isEmpty = (text) => text === '' || text === '–';
  const values = new Map(rows.map((row) => [row, plain(row.cells[column])]));
  const isNumeric = column > 0 && [...values.values()].every((text) => isEmpty(text) || /^[-+]?\d/.test(text));
  const compare = isNumeric ? (a, b) => Number.parseFloat(a) - Number.parseFloat(b) : texts.compare;
  return (a, b) => {
    const [x, y] = [values.get(a), values.get(b)];
    if (isEmpty(x) || isEmpty(y)) return Number(isEmpty(x)) - Number(isEmpty(y));
    return descending ? compare(y, x) : compare(x, y);
  };
}

function sortTable(table, column, descending) {
  const heads = all(table.tHead, 'th');
  for (const head of heads) head.removeAttribute('aria-sort');
  heads[column].setAttribute('aria-sort', descending ? 'descending' : 'ascending');
  const body = table.tBodies[0];
  const rows = [...body.rows];
  body.append(...rows.sort(compareBy(rows, column, descending)));
}

/** Makes buttons of the heads of every table that has something to sort. */
function makeSortable(root) {
  for (const table of all(root, 'table')) {
    if (table.tBodies[0].rows.length < 2) continue;
    all(table.tHead, 'th').forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      button.onclick = () => sortTable(table, column, head.getAttribute('aria-sort') === 'ascending');
      head.append(button);
    });
  }
}

/** Owners that a note names. */
const MAX_NAMED = 3;

const quoted = (name) => (/^[\p{L}\p{N}][\p{L}\p{N}_.-]*$/u.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

/** Says which of the owners that were found a part of the page does not draw, and what draws them. */
function missingNote(missing) {
  const named = missing.slice(0, MAX_NAMED);
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : '';
  const command = `fedtune report RUN --owners ${named.map(quoted).join(' ')}`;
  const them = missing.length > 1 ? 'them' : 'it';
  return `Not drawn here: ${named.join(', ')}${more}; \u201c${command}\u201d draws ${them}, where there is something to draw.`;
}

/** Shows the owners whose name holds what is looked for, in every table and among the pictures. */
function find() {
  const field = document.getElementById('find-field');
  if (!field) return;
  const wanted = field.value.trim().toLowerCase();
  const found = new Set();
  const owners = new Set();
  for (const part of all(document, '[data-owner]')) {
    const { owner } = part.dataset;
    owners.add(owner);
    part.hidden = !owner.toLowerCase().includes(wanted);
    if (!part.hidden) found.add(owner);
  }
  for (const note of all(document, '[data-drawn]')) {
    const drawn = new Set(JSON.parse(note.dataset.drawn));
    const missing = [...found].filter((owner) => !drawn.has(owner));
    note.hidden = wanted === '' || missing.length === 0;
    note.textContent = note.hidden ? '' : missingNote(missing);
  }
  document.getElementById('find-count').value = wanted === '' ? '' : `${found.size} of ${owners.size} owners`;
}

function makeFindable() {
  const form = document.getElementById('find');
  if (!form) return;
  form.hidden = false;
  form.onsubmit = (event) => event.preventDefault();
  document.getElementById('find-field').oninput = find;
}

/** What the reader has opened, sorted, scrolled to and is at, from a part of the page to the one in its place. */
function carryOver(before, after) {
  const pairs = (selector) => {
    const others = all(after, selector);
    return all(before, selector).flatMap((one, i) => (others[i] ? [[one, others[i]]] : []));
  };
  for (const [one, other] of pairs('details')) other.open = one.open;
  for (const [one, other] of pairs('table')) {
    const sorted = one.querySelector('th[aria-sort]');
    if (sorted && other.querySelector('th button'))
      sortTable(other, sorted.cellIndex, sorted.getAttribute('aria-sort') === 'descending');
  }
  for (const [one, other] of pairs('.scroll')) other.scrollTo(one.scrollLeft, one.scrollTop);
  for (const [one, other] of pairs('button,summary,[tabindex]')) if (one === document.activeElement) other.focus();
}

/** Parts of the page as they came. */
const known = new Map(all(document, 'main>[id]').map((part) => [part.id, part.outerHTML]));

/** Puts what has changed of a newer page in the place of what is shown. */
function take(page) {
  const next = new DOMParser().parseFromString(page, 'text/html');
  document.title = next.title;
  let last;
  for (const part of all(next, 'main>[id]')) {
    const before = document.getElementById(part.id);
    const text = part.outerHTML;
    if (known.get(part.id) !== text) {
      known.set(part.id, text);
      makeSortable(part);
      const at = [window.scrollX, window.scrollY];
      if (before) before.after(part);
      else last.after(part);
      if (before) carryOver(before, part);
      before?.remove();
      window.scrollTo(...at);
    }
    last = document.getElementById(part.id);
  }
  makeFindable();
  find();
}

/** Follows the run that serves the page. */
function follow(bar) {
  const text = bar.querySelector('span');
  const share = bar.querySelector('progress');
  const said = bar.querySelector('[role=status]');
  const source = new EventSource(bar.dataset.events);
  source.addEventListener('page', ({ data }) => take(JSON.parse(data)));
  source.addEventListener('status', ({ data }) => {
    const status = JSON.parse(data);
    text.textContent = status.text;
    share.hidden = false;
    share.value = status.share;
    if (said.textContent !== status.round) said.textContent = status.round;
  });
  source.addEventListener('end', ({ data }) => {
    source.close();
    share.remove();
    text.textContent = '';
    said.className = '';
    said.textContent = JSON.parse(data);
  });
  source.onerror = () => {
    text.textContent = 'No connection any more: what served this page has ended. It keeps what it last had.';
  };
}

makeSortable(document);
makeFindable();
const bar = document.getElementById('live');
if (bar) follow(bar);
