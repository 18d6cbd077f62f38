// The console: shows exchanges; the emergency view is in emergency.js. It holds no state but the token (this tab's session) and
// writes every value as text, never as markup.
'use strict';

const $ = (id) => document.getElementById(id);
const views = ['access', 'exchanges', 'unmapped', 'detail', 'emergency', 'patient'];
let token = sessionStorage.getItem('token') || '';
let wanted = 'exchanges';
let before = null;

function node(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === 'class') made.className = value;
    else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== '') made.append(child);
  return made;
}

function show(view) {
  for (const name of views) $(name).hidden = name !== view;
  $('tab-exchanges').setAttribute('aria-pressed', String(wanted === 'exchanges'));
  $('tab-unmapped').setAttribute('aria-pressed', String(wanted === 'unmapped'));
  $('tab-emergency').setAttribute('aria-pressed', String(wanted === 'emergency'));
  $('tab-patient').setAttribute('aria-pressed', String(wanted === 'patient'));
}

class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function call(path, options = {}) {
  const headers = { Accept: 'application/json', ...options.headers };
  if (token) headers.Authorization = 'Bearer ' + token;
  if (options.body) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method: options.method || 'GET', headers, body: options.body && JSON.stringify(options.body), cache: 'no-store' });
  } catch {
    throw new Refused(0, 'The gateway does not answer. Is it running?');
  }
  const text = await answer.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { json = null; }
  if (answer.ok) return json;
  const issue = json && json.issue && json.issue[0];
  throw new Refused(answer.status, (issue && issue.diagnostics) || 'The gateway answered ' + answer.status + '.');
}

function askForToken(error) {
  $('access-why').textContent = error.status === 403
    ? 'This token may not do that: ' + error.message + '. Paste another one.'
    : token
      ? 'This token is not accepted: ' + error.message + '. Paste a new one.'
      : 'This gateway answers only to people it knows. Paste a token; it stays in this browser tab and is forgotten when the tab closes.';
  show('access');
  $('token').value = '';
  $('token').focus();
}

const when = (text) => text ? new Date(text).toLocaleString() : '';

// ---- exchanges ----

function chip(label, mood) { return node('span', { class: 'chip ' + (mood || '') }, label); }

function path(exchange) {
  const chips = exchange.kind === 'audit-digest' ? [] : [chip('received', 'good')];
  const stage = (name) => (exchange.stages || []).find((s) => s.name === name);
  const state = exchange.state;
  const deliveries = exchange.deliveries || [];
  if (state === 'refused') chips.push(chip('refused', 'bad'));
  else if (state === 'held') chips.push(chip('held for a person', 'bad'));
  else if (exchange.kind === 'arrival') chips.push(chip(stage('map') || state !== 'accepted' ? 'mapped' : 'mapping…', state === 'accepted' ? 'wait' : 'good'));
  else if (exchange.kind) chips.push(chip(kinds[exchange.kind] || exchange.kind, 'good'));
  if (exchange.issue_count) chips.push(chip(exchange.issue_count + (exchange.issue_count === 1 ? ' finding' : ' findings'), 'wait'));
  for (const delivery of deliveries) {
    const [verb, mood] = { delivered: ['delivered', 'good'], withheld: ['withheld', 'wait'], dead: ['given up', 'bad'], pending: ['waiting', 'wait'] }[delivery.state] || [delivery.state, ''];
    if (delivery.decision) chips.push(chip('decision: ' + delivery.decision.split(/[:(]/)[0].trim(), delivery.decision.startsWith('permit') ? 'good' : 'wait'));
    chips.push(chip(verb + ' → ' + delivery.destination, mood));
  }
  if (exchange.kind === 'arrival' && !deliveries.length && state === 'stored') chips.push(chip('no destination'));
  chips.push(exchange.ledger ? chip('anchored #' + exchange.ledger.index, exchange.ledger.sealed === false ? 'wait' : 'good') : chip('not anchored', 'wait'));
  return node('span', { class: 'path' }, chips);
}

const kinds = { arrival: 'message', write: 'written', export: 'export', emergency: 'emergency declared', 'emergency-use': 'emergency record read', 'audit-digest': 'audit digest' };

async function list(older) {
  wanted = 'exchanges';
  try {
    const query = new URLSearchParams({ _count: '30' });
    if ($('state').value) query.set('state', $('state').value);
    if (older && before) query.set('before', before);
    const page = await call('/exchanges?' + query);
    show('exchanges');
    if (!older) $('list').replaceChildren();
    for (const exchange of page.exchanges) {
      const title = exchange.message_control_id ? exchange.source + ' · ' + exchange.message_control_id : exchange.source;
      $('list').append(node('li', {}, node('button', { type: 'button', class: 'line', onclick: () => detail(exchange.id) },
        node('span', { class: 'top' }, node('b', {}, title), node('span', { class: 'soft' }, when(exchange.received))), path(exchange))));
    }
    $('exchanges-note').textContent = page.total === 0 ? 'No exchange yet. Send a message, or run “anchorline demo”.' : page.total + (page.total === 1 ? ' exchange' : ' exchanges');
    before = page.next || null;
    $('more').hidden = !before;
  } catch (error) {
    if (error.status === 401 || error.status === 403) return askForToken(error);
    show('exchanges');
    $('exchanges-note').textContent = error.message;
  }
}

function table(heads, rows) {
  return node('div', { class: 'card' }, node('table', {}, node('thead', {}, node('tr', {}, heads.map((head) => node('th', { scope: 'col' }, head)))),
    node('tbody', {}, rows.map((cells) => node('tr', {}, cells.map((cell) => node('td', {}, cell || '–')))))));
}

async function detail(id) {
  try {
    const exchange = await call('/exchanges/' + id);
    show('detail');
    const body = $('detail-body');
    const facts = node('dl', {});
    const fact = (name, value) => value && facts.append(node('dt', {}, name), node('dd', {}, value));
    fact('Id', exchange.id);
    fact('Source', exchange.source);
    fact('Control id', exchange.message_control_id);
    fact('Received', when(exchange.received));
    fact('State', exchange.state);
    fact('Ledger', exchange.ledger ? 'record ' + exchange.ledger.index : 'not anchored');
    if (exchange.ledger) fact('Receipt', node('a', { href: '/ledger/receipts/' + exchange.id, target: '_blank', rel: 'noopener' }, 'open the receipt'));
    body.replaceChildren(path(exchange), node('div', { class: 'card' }, facts));
    if ((exchange.stages || []).length) body.append(node('h2', {}, 'What happened'), table(['Stage', 'When', 'Outcome'], exchange.stages.map((s) => [s.name, when(s.at), s.outcome])));
    if ((exchange.deliveries || []).length) body.append(node('h2', {}, 'To whom'), table(['Destination', 'State', 'Decision', 'Attempts', 'Last error'], exchange.deliveries.map((d) => [d.destination, d.state, d.decision, String(d.attempts), d.last_error])));
    if ((exchange.issues || []).length) body.append(node('h2', {}, 'Findings'), table(['Severity', 'Where', 'What'], exchange.issues.map((i) => [i.severity, i.at, i.diagnostics])));
    if (exchange.mapping) body.append(...mapping(exchange.mapping));
    if ((exchange.resources || []).length) body.append(node('h2', {}, 'Resources written'), node('p', {}, exchange.resources.join(', ')));
    $('detail-title').focus();
  } catch (error) {
    if (error.status === 401 || error.status === 403) return askForToken(error);
    $('exchanges-note').textContent = error.message;
  }
}

// How much of a message found a home, and which places did not.
function mapping(found) {
  const loss = found.loss || {};
  const total = loss.total || 0;
  const share = total ? Math.round(1000 * loss.mapped / total) / 10 : 100;
  const facts = node('dl', {});
  const fact = (name, value) => facts.append(node('dt', {}, name), node('dd', {}, value));
  fact('Package', found.package ? found.package.name + ' ' + found.package.version : '');
  fact('Pieces', total + ': ' + loss.mapped + ' mapped (' + share + ' %), ' + loss.kept + ' kept, ' + loss.dropped + ' dropped');
  const parts = [node('h2', {}, 'How it was mapped'), node('div', { class: 'card' }, facts)];
  const places = found.unmapped || [];
  if (places.length) parts.push(node('h2', {}, 'Places without a home'), table(['Place', 'Kept', 'Dropped'], places.map((it) => [it.at, String(it.kept), String(it.dropped)])));
  const codes = found.codes || [];
  if (codes.length) parts.push(node('h2', {}, 'Codes that no vocabulary map has'), table(['Place', 'Map'], codes.map((it) => [it.at, it.map])));
  return parts;
}

async function unmapped() {
  wanted = 'unmapped';
  try {
    const query = new URLSearchParams();
    if ($('unmapped-source').value) query.set('source', $('unmapped-source').value);
    if ($('unmapped-since').value) query.set('since', $('unmapped-since').value);
    const report = await call('/exchanges/unmapped?' + query);
    show('unmapped');
    const known = [...$('unmapped-source').options].map((option) => option.value);
    for (const source of new Set(report.senders.map((it) => it.source))) if (!known.includes(source)) $('unmapped-source').append(node('option', { value: source }, source));
    const sender = (it) => [it.source, it.sending_application, it.sending_facility].filter(Boolean).join(' · ');
    const last = (it) => it.last ? node('button', { type: 'button', onclick: () => detail(it.last.exchange) }, when(it.last.at)) : '';
    const most = 300;
    const body = [];
    if (report.unmapped.length) body.push(node('h2', {}, 'Places'), table(['Place', 'Sender', 'Type', 'Messages', 'Kept', 'Dropped', 'Last'],
      report.unmapped.slice(0, most).map((it) => [it.at, sender(it), it.type, String(it.exchanges), String(it.kept), String(it.dropped), last(it)])));
    if (report.codes.length) body.push(node('h2', {}, 'Codes'), table(['Place', 'Map', 'Code', 'Sender', 'Messages', 'Last'],
      report.codes.slice(0, most).map((it) => [it.at, it.map, it.code || 'not shown: fewer than three patients', sender(it), String(it.exchanges), last(it)])));
    $('unmapped-body').replaceChildren(...body);
    const count = report.unmapped.length + report.codes.length;
    $('unmapped-note').textContent = count === 0 ? 'Everything that came in found a home.' : count + (count === 1 ? ' gap' : ' gaps') + (count > most ? ', the most frequent are shown' : '');
  } catch (error) {
    if (error.status === 401 || error.status === 403) return askForToken(error);
    show('unmapped');
    $('unmapped-note').textContent = error.message;
  }
}

// ---- start ----

async function health() {
  try {
    const answer = await fetch('/health/ready', { cache: 'no-store' });
    $('health').textContent = answer.ok ? 'ready' : 'not ready';
    $('health').className = 'chip ' + (answer.ok ? 'good' : 'bad');
  } catch {
    $('health').textContent = 'no answer';
    $('health').className = 'chip bad';
  }
}

$('tab-exchanges').addEventListener('click', () => list(false));
$('tab-unmapped').addEventListener('click', unmapped);
$('unmapped-source').addEventListener('change', unmapped);
$('unmapped-since').addEventListener('change', unmapped);
startEmergency();
$('refresh').addEventListener('click', () => list(false));
$('state').addEventListener('change', () => list(false));
$('more').addEventListener('click', () => list(true));
$('back').addEventListener('click', () => list(false));
$('forget').addEventListener('click', () => { token = ''; sessionStorage.removeItem('token'); askForToken({ status: 401 }); });
$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  sessionStorage.setItem('token', token);
  if (wanted === 'emergency') emergency(); else if (wanted === 'patient') patient(); else if (wanted === 'unmapped') unmapped(); else list(false);
});
health();
setInterval(health, 15000);
// patient.js opens its own view.
if (location.hash === '#emergency') emergency(); else if (location.hash !== '#patient') list(false);
