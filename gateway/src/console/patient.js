// The patient's own page: who saw my record, my choices, my exchanges. Plain words, one column, every value as text.
// It uses node, call, show, when, askForToken of console.js, which is loaded before.
'use strict';

let choicesShown = null;
let accessesNext = null;
let exchangesNext = null;

const did = {
  read: 'looked at', searched: 'searched', overview: 'looked at an overview of', added: 'added to', changed: 'changed',
  deleted: 'deleted from', forwarded: 'received data from', 'emergency-search': 'searched for you in an emergency:',
  'emergency-declared': 'declared an emergency to open', 'emergency-read': 'read, in an emergency,', 'emergency-ended': 'ended the emergency access to',
};
const ended = { released: '', 'released-in-part': ' Part of it stayed closed.', refused: ' This was refused.', failed: ' This failed.' };

function counted(resources) {
  return (resources || []).map((it) => it.count + ' × ' + it.words).join(', ');
}

function receiptLink(line) {
  return line.receipt && node('a', { href: line.receipt, download: 'receipt-' + (line.exchange || line.id) + '.txt' }, 'Download the receipt');
}

function accessLine(line) {
  const parts = [];
  parts.push(node('p', {}, node('b', {}, line.who.name === 'you' ? 'You' : line.who.name), line.who.organisation ? ' (' + line.who.organisation + ')' : '',
    ' ' + (did[line.what] || line.what) + ' your record.' + (ended[line.outcome] || '')));
  const facts = node('dl', {});
  const fact = (name, value) => value && facts.append(node('dt', {}, name), node('dd', {}, value));
  fact('When', when(line.at));
  fact('What', counted(line.resources));
  fact('Why', [(line.why.purposes || []).map((it) => it.words).join(', '), line.why.reason].filter(Boolean).join(': '));
  for (const it of line.decided_by || []) {
    fact('Decided by', it.consent
      ? it.title + (it.date ? ' of ' + String(it.date).slice(0, 10) : '') + ', version ' + it.version + ': ' + (it.words || it.said)
      : it.rule + ' (' + it.said + ')');
  }
  fact('Rule', line.policy);
  fact('Proof', receiptLink(line));
  parts.push(facts);
  return node('li', { class: 'card' }, parts);
}

async function accesses(older) {
  const own = $('patient-own').checked;
  const query = new URLSearchParams({ _count: '50' });
  if ($('patient-since').value) query.set('since', $('patient-since').value);
  if ($('patient-until').value) query.set('until', $('patient-until').value);
  const page = await call(older && accessesNext ? accessesNext : '/patient/accesses?' + query);
  if (!older) $('patient-accesses').replaceChildren();
  const lines = page.accesses.filter((line) => own || !line.who.you);
  $('patient-accesses').append(...lines.map(accessLine));
  accessesNext = page.next || null;
  $('patient-older').hidden = !accessesNext;
  $('patient-accesses-note').textContent = $('patient-accesses').children.length ? '' : 'Nobody else has looked at your record in this time.';
}

async function download(path, name) {
  const answer = await fetch(path, { headers: { Authorization: 'Bearer ' + token, Accept: 'text/csv' }, cache: 'no-store' });
  if (!answer.ok) throw new Refused(answer.status, 'The table could not be made.');
  const address = URL.createObjectURL(await answer.blob());
  const link = node('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(address);
}

// ---- my choices ----

function consentCard(consent) {
  const card = node('div', { class: 'card' }, node('h3', {}, consent.title + ' (' + (consent.status === 'active' ? 'holds' : 'no longer holds') + ')'),
    consent.words.map((text) => node('p', {}, text)));
  if (consent.date) card.append(node('p', { class: 'soft' }, 'Of ' + String(consent.date).slice(0, 10) + ', version ' + consent.version));
  if (!consent.made_here) card.append(node('p', { class: 'soft' }, 'Made elsewhere: you can end it here, not change it.'));
  if (consent.status === 'active') card.append(node('button', { type: 'button', onclick: () => revoke(consent) }, 'End this'));
  return card;
}

function fillChoices(shown) {
  const current = (shown.current && shown.current.choices) || { share: 'treating', keep_back: [], emergency: 'allow', research: false };
  for (const input of document.querySelectorAll('#choices-form input[name="share"]')) input.checked = input.value === current.share;
  for (const input of document.querySelectorAll('#choices-form input[name="emergency"]')) input.checked = input.value === current.emergency;
  $('choice-research').checked = current.research;
  $('choice-until').value = current.until || '';
  $('choice-with').value = (current.with || []).map((it) => it.reference + (it.display ? ' ' + it.display : '')).join('\n');
  $('choice-topics').replaceChildren(...shown.topics.map((topic) => {
    const input = node('input', { type: 'checkbox', id: 'topic-' + topic.code, value: topic.code });
    input.checked = current.keep_back.includes(topic.code);
    return node('label', { class: 'check', for: 'topic-' + topic.code }, input, ' ' + topic.words);
  }));
  $('choice-warning').textContent = shown.emergency_warning.replace(/ Send .*$/, '');
  $('choice-acknowledged').checked = false;
  $('choices-rules').textContent = shown.standard_rule + ' ' + shown.emergency_rule;
  toggleChoices();
}

function chosenValue(name) {
  const found = document.querySelector('#choices-form input[name="' + name + '"]:checked');
  return found ? found.value : '';
}

function toggleChoices() {
  $('choice-named').hidden = chosenValue('share') !== 'named';
  $('choice-refuse').hidden = chosenValue('emergency') !== 'refuse';
}

async function choices() {
  choicesShown = await call('/patient/choices');
  fillChoices(choicesShown);
  $('choices-now').replaceChildren(...(choicesShown.consents.length ? choicesShown.consents.map(consentCard)
    : [node('p', {}, 'You have not chosen anything yet.')]));
}

function readChoices() {
  const body = {
    share: chosenValue('share'), emergency: chosenValue('emergency'), research: $('choice-research').checked,
    keep_back: [...document.querySelectorAll('#choice-topics input:checked')].map((input) => input.value),
  };
  if ($('choice-until').value) body.until = $('choice-until').value;
  if (body.share === 'named') {
    body.with = $('choice-with').value.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => {
      const [reference, ...display] = line.split(' ');
      return display.length ? { reference, display: display.join(' ') } : { reference };
    });
  }
  if (body.emergency === 'refuse') body.acknowledged = $('choice-acknowledged').checked;
  return body;
}

async function saveChoices(event) {
  event.preventDefault();
  patientNote('');
  const current = choicesShown && choicesShown.current;
  try {
    const saved = current
      ? await call('/patient/choices/' + current.id, { method: 'PUT', body: readChoices(), headers: { 'If-Match': current.etag } })
      : await call('/patient/choices', { method: 'POST', body: readChoices() });
    await choices();
    patientNote('Saved. It holds from now on. ' + saved.words.join(' '), saved);
  } catch (error) { patientTrouble(error); }
}

async function revoke(consent) {
  patientNote('');
  try {
    await call('/patient/choices/' + consent.id, { method: 'DELETE', headers: { 'If-Match': consent.etag } });
    await choices();
    patientNote('Ended. It no longer holds from now on.');
  } catch (error) { patientTrouble(error); }
}

// ---- my exchanges ----

function exchangeLine(exchange) {
  const facts = node('dl', {});
  const fact = (name, value) => value && facts.append(node('dt', {}, name), node('dd', {}, value));
  fact('From', exchange.from);
  fact('When', when(exchange.received));
  fact('What', counted(exchange.resources));
  fact('State', exchange.words);
  for (const delivery of exchange.deliveries || []) fact('To ' + delivery.to, delivery.decision || delivery.state);
  fact('Ledger', exchange.ledger ? 'record ' + exchange.ledger.index : 'not sealed yet');
  fact('Proof', receiptLink(exchange));
  return node('li', { class: 'card' }, node('p', {}, node('b', {}, exchange.kind)), facts);
}

async function ownExchanges(older) {
  const query = new URLSearchParams({ _count: '30' });
  if (older && exchangesNext) query.set('before', exchangesNext);
  const page = await call('/exchanges?' + query);
  if (!older) $('patient-exchanges').replaceChildren();
  $('patient-exchanges').append(...page.exchanges.map(exchangeLine));
  exchangesNext = page.next || null;
  $('patient-more').hidden = !exchangesNext;
}

// ---- the view ----

function patientNote(text, saved) {
  $('patient-note').replaceChildren(text, saved && saved.receipt ? node('a', { href: saved.receipt, download: 'receipt-' + saved.exchange + '.txt' }, ' Receipt') : '');
}

function patientTrouble(error) {
  if (error.status === 401 || error.status === 403) return askForToken(error);
  patientNote(error.message);
  $('patient-note').scrollIntoView({ block: 'center' });
}

async function patient() {
  wanted = 'patient';
  if (!token) return askForToken({ status: 401 });
  patientNote('');
  try {
    await accesses(false);
    await choices();
    await ownExchanges(false);
    show('patient');
    $('patient-title').focus();
  } catch (error) { patientTrouble(error); if (error.status !== 401 && error.status !== 403) show('patient'); }
}

const tried = (work) => () => work().catch(patientTrouble);
$('tab-patient').addEventListener('click', patient);
$('patient-older').addEventListener('click', tried(() => accesses(true)));
$('patient-more').addEventListener('click', tried(() => ownExchanges(true)));
for (const id of ['patient-since', 'patient-until', 'patient-own']) $(id).addEventListener('change', tried(() => accesses(false)));
$('patient-csv').addEventListener('click', tried(() => download('/patient/accesses?_format=csv', 'accesses.csv')));
$('disclosures-csv').addEventListener('click', tried(() => download('/patient/disclosures?_format=csv', 'disclosures.csv')));
$('choices-form').addEventListener('submit', saveChoices);
$('choices-form').addEventListener('change', toggleChoices);
if (location.hash === '#patient') patient();
