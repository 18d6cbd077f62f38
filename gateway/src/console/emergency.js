// The emergency view: find, confirm one person, read. It uses what console.js has ($, node, call, show, when) and, as
// everything here, writes every value as text and never as markup.
'use strict';

let grant = null;
let chosen = null;
let ticking = null;

function step(number) {
  for (const n of [1, 2, 3]) $('step-' + n).toggleAttribute('aria-current', false);
  $('step-' + number).setAttribute('aria-current', 'step');
  $('find-form').hidden = number !== 1;
  $('declare-form').hidden = number !== 2;
  $('summary').hidden = number !== 3;
  $('reviews').hidden = number !== 1 || !$('reviews').dataset.known;
}

function emergency() {
  wanted = 'emergency';
  if (!token) return askForToken({ status: 401 });
  show('emergency');
  reviews();
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
    step(2);
    $('candidates').replaceChildren(...candidates.map((candidate) => node('li', {}, node('button', { type: 'button', class: 'candidate', onclick: () => choose(candidate) }, ...person(candidate)))));
    $('candidates-hint').hidden = candidates.length < 2;
    // One candidate is no choice, but the person is confirmed all the same.
    if (candidates.length === 1) choose(candidates[0]);
    else { choose(null); $('candidates').querySelector('button').focus(); }
  } catch (error) { trouble(error); }
}

function person(candidate) {
  return [node('b', {}, [candidate.family, candidate.given].filter(Boolean).join(', ') || 'Name unknown'),
    node('span', {}, 'born ' + (candidate.birthYear || 'in an unknown year') + ' · ' + (candidate.gender || 'sex unknown')),
    candidate.score < 1 ? node('span', { class: 'soft' }, 'fits ' + Math.round(100 * candidate.score) + ' %') : ''];
}

// Nothing is opened on a list: one person is shown large and confirmed.
function choose(candidate) {
  chosen = candidate;
  $('candidates').hidden = Boolean(candidate);
  $('confirm').hidden = !candidate;
  if (!candidate) return;
  $('candidates-hint').hidden = true;
  $('confirm-who').replaceChildren(...person(candidate));
  $('confirm-open').focus();
}

async function declare(event) {
  event.preventDefault();
  $('emergency-note').textContent = '';
  if (!chosen || !$('declare-form').reportValidity()) return;
  const body = { patient: chosen.patient, reason: $('reason').value.trim(), reasonCode: $('reason-code').value };
  if ($('location').value.trim()) body.location = $('location').value.trim();
  if (chosen.birthYear) body.confirm = { birthYear: chosen.birthYear };
  $('confirm-open').disabled = true;
  try {
    grant = await call('/emergency/declare', { method: 'POST', body });
    const summary = await call('/emergency/grants/' + grant.id + '/summary');
    $('summary-body').replaceChildren(...render(summary));
    $('end').hidden = false;
    $('print').hidden = false;
    step(3);
    tick();
    ticking = setInterval(tick, 1000);
    $('emergency-title').focus();
  } catch (error) { trouble(error); } finally { $('confirm-open').disabled = false; }
}

// What was read leaves the screen when the access ends.
function tick() {
  const left = grant ? Math.floor((new Date(grant.expires) - Date.now()) / 1000) : 0;
  if (left <= 0) return close('The access has ended.');
  const text = 'Emergency access until ' + when(grant.expires) + ', ' + Math.ceil(left / 60) + ' min left. It is recorded as ' + grant.exchange
    + ', the patient is told, and a colleague reviews it. Do not pass on what you read.';
  // Told once a minute to who hears it read out, not once a second.
  if ($('grant').textContent !== text) $('grant').textContent = text;
}

function close(text) {
  clearInterval(ticking);
  grant = null;
  $('summary-body').replaceChildren();
  $('grant').textContent = text;
  $('end').hidden = true;
  $('print').hidden = true;
}

async function end() {
  try {
    if (grant) await call('/emergency/grants/' + grant.id, { method: 'DELETE' });
    close('The access has ended.');
  } catch (error) { trouble(error); }
}

// ---- the summary: the narratives of the document, their text and structure alone ----

const kept = new Set(['h5', 'p', 'ul', 'li', 'b', 'table', 'thead', 'tbody', 'tr', 'th', 'td']);

function copied(element, within) {
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) within.append(child.textContent);
    else if (child.nodeType === Node.ELEMENT_NODE) {
      const name = child.localName;
      const made = kept.has(name) && name !== 'h5' ? document.createElement(name) : null;
      // The title of a section is shown as this page shows its own.
      if (name !== 'h5') copied(child, made || within);
      if (made) within.append(made);
    }
  }
  return within;
}

function render(bundle) {
  const entries = ((bundle && bundle.entry) || []).map((entry) => entry.resource).filter(Boolean);
  const composition = entries.find((it) => it.resourceType === 'Composition') || {};
  const patient = entries.find((it) => it.resourceType === 'Patient') || {};
  const facts = node('dl', {});
  const fact = (name, value) => value && facts.append(node('dt', {}, name), node('dd', {}, value));
  const name = (patient.name || [])[0] || {};
  fact('Born', patient.birthDate || 'unknown');
  fact('Sex', patient.gender || 'unknown');
  fact('Numbers', (patient.identifier || []).map((it) => it.value).filter(Boolean).join(', '));
  const parts = [node('div', { class: 'card' }, node('h2', {}, name.text || [(name.given || []).join(' '), name.family].filter(Boolean).join(' ') || 'Name unknown'), facts)];
  for (const section of composition.section || []) {
    const div = new DOMParser().parseFromString((section.text || {}).div || '<div/>', 'application/xml').documentElement;
    parts.push(copied(div, node('section', { class: 'card record' }, node('h2', {}, section.title))));
  }
  return parts;
}

// ---- reviews, for administrators and auditors ----

async function reviews() {
  let list;
  try { list = await call('/emergency/reviews'); } catch { $('reviews').hidden = true; return; }
  $('reviews').dataset.known = 'yes';
  $('reviews').hidden = $('find-form').hidden;
  $('reviews-note').textContent = list.open === 0 ? 'Every emergency access has been reviewed.' : list.open + ' open, ' + list.overdue + ' overdue.';
  $('reviews-list').replaceChildren(...list.reviews.map((it) => node('li', { class: 'card' },
    node('p', {}, node('b', {}, it.declaredBy || 'somebody'), ' opened ' + it.patient + ' at ' + when(it.declared) + '. ',
      node('span', { class: it.overdue ? 'chip bad' : 'chip wait' }, it.overdue ? 'overdue since ' + when(it.due) : 'due ' + when(it.due))),
    node('button', { type: 'button', onclick: () => review(it, 'justified') }, 'It was justified: close'),
    node('button', { type: 'button', onclick: () => review(it, 'not justified') }, 'It was not justified: close'))));
}

async function review(one, finding) {
  $('emergency-note').textContent = '';
  try {
    const task = await call('/fhir/' + one.task);
    task.status = 'completed';
    task.businessStatus = { text: finding };
    await call('/fhir/' + one.task, { method: 'PUT', body: task });
    await reviews();
  } catch (error) { trouble(error); }
}

function startEmergency() {
  $('tab-emergency').addEventListener('click', emergency);
  $('again').addEventListener('click', () => step(1));
  $('another').addEventListener('click', () => { choose(null); $('candidates-hint').hidden = false; });
  $('end').addEventListener('click', end);
  $('print').addEventListener('click', () => window.print());
  $('find-form').addEventListener('submit', find);
  $('declare-form').addEventListener('submit', declare);
}
