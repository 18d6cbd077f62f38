// The console: shows exchanges and runs the emergency form. It holds no state but the token (this tab's session) and
// writes every value as text, never as markup.
'use strict';

const $ = (id) => document.getElementById(id);
const views = ['access', 'exchanges', 'unmapped', 'detail', 'emergency'];
let token = sessionStorage.getItem('token') || '';
let wanted = 'exchanges';
let before = null;
let grant = null;

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
}

class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

// Clinical numbers keep their digits (1.50 is not 1.5): each number of a JSON text becomes a text.
function digitsKept(text) {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (piece) => piece.startsWith('"') ? piece : '"' + piece + '"');
}

async function call(path, options = {}) {
  const headers = { Accept: 'application/json' };
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
  try { json = text ? JSON.parse(options.exact ? digitsKept(text) : text) : null; } catch { json = null; }
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

// ---- emergency ----

function step(number) {
  for (const n of [1, 2, 3]) $('step-' + n).toggleAttribute('aria-current', false);
  $('step-' + number).setAttribute('aria-current', 'step');
  $('find-form').hidden = number !== 1;
  $('declare-form').hidden = number !== 2;
  $('summary').hidden = number !== 3;
}

function emergency() {
  wanted = 'emergency';
  if (!token) return askForToken({ status: 401 });
  show('emergency');
}

function trouble(error) {
  if (error.status === 401) return askForToken(error);
  $('emergency-note').textContent = error.message;
  $('emergency-note').scrollIntoView({ block: 'center' });
}

async function find(event) {
  event.preventDefault();
  $('emergency-note').textContent = '';
  const text = (id) => $(id).value.trim();
  const body = text('id-value')
    ? { identifier: text('id-system') ? { system: text('id-system'), value: text('id-value') } : { value: text('id-value') } }
    : { family: text('family'), given: text('given'), birthDate: text('birth') };
  try {
    const answer = await call('/emergency/find', { method: 'POST', body });
    const candidates = answer.candidates || [];
    if (!candidates.length) { $('emergency-note').textContent = 'Nobody found. Check the spelling, or use another number.'; return; }
    $('candidates').replaceChildren(...candidates.map((candidate) => node('li', {}, node('button', { type: 'button', class: 'candidate', onclick: () => declare(candidate) },
      node('b', {}, [candidate.family, candidate.given].filter(Boolean).join(', ') || 'Name unknown'),
      'born ' + (candidate.birthYear || 'unknown') + ' · ' + (candidate.gender || 'gender unknown') + ' · match ' + Math.round(100 * candidate.score) + ' %'))));
    step(2);
    const first = $('candidates').querySelector('button');
    if (first) first.focus();
  } catch (error) { trouble(error); }
}

async function declare(candidate) {
  $('emergency-note').textContent = '';
  if (!$('declare-form').reportValidity()) return;
  const body = { patient: candidate.patient, reason: $('reason').value.trim() };
  if (candidate.birthYear) body.confirm = { birthYear: candidate.birthYear };
  try {
    grant = await call('/emergency/declare', { method: 'POST', body });
    const summary = await call('/emergency/grants/' + grant.id + '/summary', { exact: true });
    $('grant').textContent = 'Emergency access until ' + when(grant.expires) + '. It is recorded, the patient is told, and a colleague reviews it. Do not pass on what you read.';
    $('end').hidden = false;
    $('summary-body').replaceChildren(...render(summary));
    step(3);
    $('emergency-title').focus();
  } catch (error) { trouble(error); }
}

async function end() {
  try {
    if (grant) await call('/emergency/grants/' + grant.id, { method: 'DELETE' });
    grant = null;
    $('summary-body').replaceChildren();
    $('grant').textContent = 'The access has ended.';
    $('end').hidden = true;
  } catch (error) { trouble(error); }
}

// ---- the summary, readable ----

function concept(value) {
  if (!value) return '';
  const coding = (value.coding || [])[0] || {};
  return value.text || coding.display || coding.code || '';
}

function humanName(name) {
  return name ? name.text || [(name.given || []).join(' '), name.family].filter(Boolean).join(' ') : '';
}

function valueOf(resource) {
  if (resource.valueQuantity) return [resource.valueQuantity.value, resource.valueQuantity.unit || resource.valueQuantity.code].filter((x) => x !== undefined).join(' ');
  if (resource.valueCodeableConcept) return concept(resource.valueCodeableConcept);
  for (const key of Object.keys(resource)) if (key.startsWith('value') && typeof resource[key] !== 'object') return String(resource[key]);
  return '';
}

function line(resource, all) {
  const medication = resource.medicationReference && all.get(resource.medicationReference.reference);
  const what = concept(resource.code) || concept(resource.medicationCodeableConcept) || (medication && concept(medication.code))
    || concept(resource.vaccineCode) || concept(resource.type) || (resource.deviceName && resource.deviceName[0].name) || resource.description || resource.resourceType;
  const extra = [
    valueOf(resource),
    (resource.component || []).map((c) => concept(c.code) + ' ' + valueOf(c)).join(', '),
    resource.criticality && 'criticality ' + resource.criticality,
    concept(resource.clinicalStatus) || (typeof resource.status === 'string' && !['final', 'completed'].includes(resource.status) ? resource.status : ''),
    (resource.reaction || []).flatMap((r) => r.manifestation || []).map(concept).join(', '),
    ((resource.dosage || resource.dosageInstruction || [])[0] || {}).text,
    String(resource.effectiveDateTime || resource.onsetDateTime || resource.recordedDate || resource.performedDateTime || resource.occurrenceDateTime || '').slice(0, 10),
  ].filter(Boolean);
  return node('li', {}, node('b', {}, what), extra.length ? ' — ' + extra.join(' · ') : '');
}

function render(bundle) {
  const entries = (bundle && bundle.entry) || [];
  const all = new Map();
  for (const entry of entries) {
    if (entry.fullUrl) all.set(entry.fullUrl, entry.resource);
    if (entry.resource && entry.resource.id) all.set(entry.resource.resourceType + '/' + entry.resource.id, entry.resource);
  }
  const composition = entries.map((e) => e.resource).find((r) => r && r.resourceType === 'Composition') || {};
  const patient = entries.map((e) => e.resource).find((r) => r && r.resourceType === 'Patient') || {};
  const facts = node('dl', {});
  const fact = (name, value) => value && facts.append(node('dt', {}, name), node('dd', {}, value));
  fact('Born', patient.birthDate);
  fact('Gender', patient.gender);
  fact('Identifiers', (patient.identifier || []).map((i) => i.value).filter(Boolean).join(', '));
  fact('Contact', (patient.contact || []).map((c) => [humanName(c.name), (c.telecom || []).map((t) => t.value).join(' ')].filter(Boolean).join(' ')).join('; '));
  const parts = [node('div', { class: 'card' }, node('h2', {}, humanName((patient.name || [])[0]) || 'Patient'), facts)];
  for (const section of composition.section || []) {
    const items = (section.entry || []).map((e) => all.get(e.reference)).filter(Boolean);
    parts.push(node('div', { class: 'card record' }, node('h2', {}, section.title || concept(section.code)),
      items.length ? node('ul', {}, items.map((r) => line(r, all))) : node('p', { class: 'soft' }, concept(section.emptyReason) || 'Nothing on file here.')));
  }
  return parts;
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
$('tab-emergency').addEventListener('click', emergency);
$('refresh').addEventListener('click', () => list(false));
$('state').addEventListener('change', () => list(false));
$('more').addEventListener('click', () => list(true));
$('back').addEventListener('click', () => list(false));
$('forget').addEventListener('click', () => { token = ''; sessionStorage.removeItem('token'); askForToken({ status: 401 }); });
$('again').addEventListener('click', () => step(1));
$('end').addEventListener('click', end);
$('find-form').addEventListener('submit', find);
$('declare-form').addEventListener('submit', (event) => event.preventDefault());
$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  sessionStorage.setItem('token', token);
  if (wanted === 'emergency') emergency(); else if (wanted === 'unmapped') unmapped(); else list(false);
});
health();
setInterval(health, 15000);
if (location.hash === '#emergency') emergency(); else list(false);
