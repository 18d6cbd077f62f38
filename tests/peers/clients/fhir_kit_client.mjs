// Everything that fhir-kit-client (npm) can do without SMART, against the server at $BASE.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { base, end, is, packages, status, step, token, waits } from './steps.mjs';

const folder = `${packages}/fhir-kit-client`;
const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
const { Client, CapabilityTool } = await import(pathToFileURL(`${folder}/${exports['.'].import}`).href);
const client = new Client({ baseUrl: base });
if (token) client.bearerToken = token;
const run = Math.random().toString(36).slice(2, 10);
const system = 'urn:anchorline:peers:fhir-kit';
const family = `Kit${run}`;
const json = { headers: { 'Content-Type': 'application/fhir+json' } };
const responseOf = (resource) => Client.httpFor(resource).response;

const statement = await step('capability statement', async () => {
  const statement = await client.capabilityStatement();
  is(statement.fhirVersion, '4.0.1');
  return statement;
});

await step('capability tool: what is declared', () => {
  const tool = new CapabilityTool(statement);
  for (const interaction of ['transaction', 'batch', 'history-system', 'search-system']) is([interaction, tool.serverCan(interaction)], [interaction, true]);
  for (const interaction of ['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'history-type', 'create', 'search-type']) {
    is([interaction, tool.resourceCan('Patient', interaction)], [interaction, true]);
  }
  is(tool.resourceSearch('Patient', 'family'), true);
  is(tool.supportFor({ resourceType: 'Observation', capabilityType: 'interaction', where: { code: 'read' } }), true);
});

const patient = await step('create, with its headers', async () => {
  const made = await client.create({
    resourceType: 'Patient', options: json,
    body: { resourceType: 'Patient', identifier: [{ system, value: run }], name: [{ family, given: ['Edith'] }], gender: 'female', birthDate: '1949-05-06' },
  });
  const response = responseOf(made);
  is(response.status, 201);
  is(Boolean(response.headers.get('location') && response.headers.get('etag')), true);
  return made;
});

await step('create on condition: If-None-Exist', async () => {
  const options = { headers: { ...json.headers, 'If-None-Exist': `identifier=${system}|${run}` } };
  const again = await client.create({ resourceType: 'Patient', options, body: { resourceType: 'Patient', identifier: [{ system, value: run }] } });
  is(responseOf(again).status, 200);
  is(again.id, patient.id);
});

await step('read, and 404', async () => {
  is((await client.read({ resourceType: 'Patient', id: patient.id })).name[0].family, family);
  await status(404, () => client.read({ resourceType: 'Patient', id: `no-such-${run}` }));
});

await step('conditional read: 304', () =>
  status(304, () => client.read({ resourceType: 'Patient', id: patient.id, options: { headers: { 'If-None-Match': 'W/"1"' } } })));

await step('update, with If-Match, and 412', async () => {
  const body = { ...patient, telecom: [{ system: 'phone', value: '+1 555 0111' }] };
  const changed = await client.update({ resourceType: 'Patient', id: patient.id, body, options: { headers: { ...json.headers, 'If-Match': 'W/"1"' } } });
  is(changed.meta.versionId, '2');
  await status(412, () => client.update({ resourceType: 'Patient', id: patient.id, body, options: { headers: { ...json.headers, 'If-Match': 'W/"1"' } } }));
});

await step('update as create under an id of ours', async () => {
  const id = `kit-${run}`;
  const made = await client.update({ resourceType: 'Patient', id, body: { resourceType: 'Patient', id, identifier: [{ system, value: `${run}u` }] }, options: json });
  is([responseOf(made).status, made.id], [201, id]);
});

await step('conditional update', async () => {
  const body = { resourceType: 'Patient', identifier: [{ system, value: `${run}c` }], gender: 'other' };
  const made = await client.update({ resourceType: 'Patient', searchParams: { identifier: `${system}|${run}c` }, body, options: json });
  const changed = await client.update({ resourceType: 'Patient', searchParams: { identifier: `${system}|${run}c` }, body: { ...body, gender: 'female' }, options: json });
  is([changed.id, changed.gender], [made.id, 'female']);
});

await step('patch: JSON Patch', async () => {
  const jsonPatch = [{ op: 'test', path: '/gender', value: 'female' }, { op: 'replace', path: '/birthDate', value: '1949-05-07' }, { op: 'add', path: '/name/0/given/-', value: 'Maud' }];
  const changed = await client.patch({ resourceType: 'Patient', id: patient.id, jsonPatch });
  is([changed.birthDate, changed.name[0].given], ['1949-05-07', ['Edith', 'Maud']]);
  await status([400, 409, 412, 422], () => client.patch({ resourceType: 'Patient', id: patient.id, jsonPatch: [{ op: 'test', path: '/gender', value: 'male' }] }));
});

await step('vread', async () => {
  is((await client.vread({ resourceType: 'Patient', id: patient.id, version: '1' })).birthDate, '1949-05-06');
  await status(404, () => client.vread({ resourceType: 'Patient', id: patient.id, version: '99' }));
});

await step('history of the instance', async () => {
  const history = await client.history({ resourceType: 'Patient', id: patient.id });
  is([history.type, history.entry.length], ['history', 3]);
  is(history.entry[0].request.method, 'PATCH');
});

await step('history of the type', async () => {
  const history = await client.typeHistory({ resourceType: 'Patient' });
  is([history.type, history.entry.length >= 5], ['history', true]);
});

await step('history of the system', async () => is((await client.systemHistory()).type, 'history'));

const observations = await step('transaction: references by urn:uuid, conditional references, put', async () => {
  const who = 'urn:uuid:8c6d1f7e-1111-4111-8111-000000000001';
  const observation = (subject, day) => ({
    resource: { resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] }, subject: { reference: subject },
      effectiveDateTime: `2026-04-0${day}`, valueQuantity: { value: 13.5, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' } },
    request: { method: 'POST', url: 'Observation' },
  });
  const answer = await client.transaction({ options: json, body: { resourceType: 'Bundle', type: 'transaction', entry: [
    observation(who, 1), observation(who, 2), observation(`Patient?identifier=${system}|${run}`, 3), observation(`Patient/${patient.id}`, 4), observation(`Patient/${patient.id}`, 5),
    { fullUrl: who, resource: { resourceType: 'Patient', identifier: [{ system, value: `${run}t` }], name: [{ family: `${family}T` }] }, request: { method: 'POST', url: 'Patient' } },
  ] } });
  is([answer.type, answer.entry.map((entry) => entry.response.status.slice(0, 3))], ['transaction-response', Array(6).fill('201')]);
  return answer.entry.slice(0, 5).map((entry) => entry.response.location.split('/').at(-3));
});

await step('transaction: all or nothing', async () => {
  await status([400, 404, 409, 412, 422], () => client.transaction({ options: json, body: { resourceType: 'Bundle', type: 'transaction', entry: [
    { resource: { resourceType: 'Patient', identifier: [{ system, value: `${run}x` }] }, request: { method: 'POST', url: 'Patient' } },
    { resource: { resourceType: 'Patient', shoe: 43 }, request: { method: 'POST', url: 'Patient' } }] } }));
  is((await client.resourceSearch({ resourceType: 'Patient', searchParams: { identifier: `${system}|${run}x` } })).total, 0);
});

await step('batch: each entry for itself', async () => {
  const answer = await client.batch({ options: json, body: { resourceType: 'Bundle', type: 'batch', entry: [
    { request: { method: 'GET', url: `Patient/${patient.id}` } },
    { request: { method: 'GET', url: `Patient?identifier=${system}|${run}` } },
    { request: { method: 'GET', url: `Patient/no-such-${run}` } },
    { resource: { resourceType: 'Patient', identifier: [{ system, value: `${run}b` }] }, request: { method: 'POST', url: 'Patient' } }] } });
  is([answer.type, answer.entry.map((entry) => entry.response.status.slice(0, 3))], ['batch-response', ['200', '200', '404', '201']]);
});

await step('search by GET and by POST', async () => {
  const searchParams = { patient: patient.id, code: 'http://loinc.org|718-7' };
  is((await client.search({ resourceType: 'Observation', searchParams })).total, 3);
  is((await client.search({ resourceType: 'Observation', searchParams, options: { postSearch: true } })).total, 3);
});

await step('search: chain, _has, include, revinclude, sort, several values', async () => {
  const search = (resourceType, searchParams) => client.resourceSearch({ resourceType, searchParams });
  is((await search('Observation', { 'subject:Patient.family': `${family}T` })).entry.length, 2);
  is((await search('Patient', { '_has:Observation:patient:code': '718-7', family: family, 'family:exact': family })).entry.length, 1);
  const included = await search('Observation', { patient: patient.id, _include: 'Observation:subject' });
  is(included.entry.map((entry) => entry.search.mode).sort(), ['include', 'match', 'match', 'match']);
  is((await search('Patient', { _id: patient.id, _revinclude: 'Observation:subject' })).entry.length, 4);
  const sorted = await search('Observation', { patient: patient.id, _sort: '-date' });
  is(sorted.entry.map((entry) => entry.resource.effectiveDateTime), ['2026-04-05', '2026-04-04', '2026-04-03']);
  is((await search('Observation', { patient: patient.id, date: ['ge2026-04-04', 'lt2026-04-05'] })).entry.length, 1);
});

await step('an unknown parameter is 400', () =>
  status(400, () => client.resourceSearch({ resourceType: 'Patient', searchParams: { shoesize: '43' } })));

await step('paging: next and previous', async () => {
  const first = await client.resourceSearch({ resourceType: 'Observation', searchParams: { patient: patient.id, _count: 1, _sort: 'date' } });
  const second = await client.nextPage({ bundle: first });
  const third = await client.nextPage({ bundle: second });
  is([first, second, third].map((page) => page.entry[0].resource.effectiveDateTime), ['2026-04-03', '2026-04-04', '2026-04-05']);
  is(client.nextPage({ bundle: third }), undefined);
  const back = await client.prevPage({ bundle: third });
  is(back.entry[0].resource.effectiveDateTime, '2026-04-04');
});

await step('compartment search, by GET and by POST', async () => {
  const compartment = { resourceType: 'Patient', id: patient.id };
  is((await client.compartmentSearch({ resourceType: 'Observation', compartment })).entry.length, 3);
  is((await client.compartmentSearch({ resourceType: 'Observation', compartment, searchParams: { date: '2026-04-04' } })).entry.length, 1);
  is((await client.compartmentSearch({ resourceType: 'Observation', compartment, searchParams: { code: '718-7' }, options: { postSearch: true } })).entry.length, 3);
});

await step('system search, by GET and by POST', async () => {
  is((await client.systemSearch({ searchParams: { _type: 'Patient,Observation', _id: patient.id } })).entry.length, 1);
  is((await client.systemSearch({ searchParams: { _type: 'Patient', _id: patient.id }, options: { postSearch: true } })).entry.length, 1);
});

await step('operations: instance, type, system; GET and POST', async () => {
  const everything = await client.operation({ name: '$everything', resourceType: 'Patient', id: patient.id, method: 'GET' });
  is([everything.type, everything.entry.length >= 4], ['searchset', true]);
  const validated = await client.operation({ name: 'validate', resourceType: 'Patient', options: json,
    input: { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: { resourceType: 'Patient' } }] } });
  is(validated.resourceType, 'OperationOutcome');
  const meta = await client.operation({ name: '$meta', resourceType: 'Patient', id: patient.id, method: 'GET' });
  is(meta.resourceType, 'Parameters');
  const matched = await client.operation({ name: '$match', resourceType: 'Patient', options: json, input: { resourceType: 'Parameters', parameter: [
    { name: 'resource', resource: { resourceType: 'Patient', name: [{ family, given: ['Edith'] }], birthDate: '1949-05-07', gender: 'female', identifier: [{ system, value: run }] } }] } });
  is([matched.resourceType, matched.entry[0].resource.id], ['Bundle', patient.id]);
});

await step('terminology operations: $lookup, $validate-code, $expand, $subsumes', async () => {
  const genders = 'http://hl7.org/fhir/administrative-gender';
  const looked = await client.operation({ name: '$lookup', resourceType: 'CodeSystem', method: 'GET', input: { system: genders, code: 'female' } });
  is(looked.parameter.find((each) => each.name === 'display').valueString, 'Female');
  const valid = await client.operation({ name: '$validate-code', resourceType: 'ValueSet', method: 'GET',
    input: { url: 'http://hl7.org/fhir/ValueSet/administrative-gender', system: genders, code: 'female' } });
  is(valid.parameter.find((each) => each.name === 'result').valueBoolean, true);
  const expanded = await client.operation({ name: '$expand', resourceType: 'ValueSet', method: 'GET', input: { url: 'http://hl7.org/fhir/ValueSet/administrative-gender' } });
  is(expanded.expansion.contains.length, 4);
  const subsumes = await client.operation({ name: '$subsumes', resourceType: 'CodeSystem', method: 'GET', input: { system: genders, codeA: 'female', codeB: 'female' } });
  is(subsumes.parameter[0].valueCode, 'equivalent');
});

await step('resolve: relative, absolute, contained, within a Bundle', async () => {
  is((await client.resolve({ reference: `Patient/${patient.id}` })).id, patient.id);
  is((await client.resolve({ reference: `${base}/Patient/${patient.id}` })).id, patient.id);
  const included = await client.resourceSearch({ resourceType: 'Observation', searchParams: { patient: patient.id, _include: 'Observation:subject' } });
  is((await client.resolve({ reference: `Patient/${patient.id}`, context: included })).id, patient.id);
});

await step('raw request: HEAD-like options, XML', async () => {
  const response = await fetch(`${base}/Patient/${patient.id}`, { method: 'HEAD', headers: token ? { Authorization: `Bearer ${token}` } : {} });
  is([response.status, Boolean(response.headers.get('etag'))], [200, true]);
});

await step('delete, 410, gone from searches, history ends with DELETE', async () => {
  await client.delete({ resourceType: 'Observation', id: observations[4] });
  await status(410, () => client.read({ resourceType: 'Observation', id: observations[4] }));
  is((await client.search({ resourceType: 'Observation', searchParams: { patient: patient.id } })).total, 2);
  const history = await client.history({ resourceType: 'Observation', id: observations[4] });
  is(history.entry[0].request.method, 'DELETE');
});

await step('smart metadata: none is said truly', async () => {
  let got;
  try { got = await client.smartAuthMetadata(); } catch { got = undefined; }
  is(got?.authorizeUrl, undefined);
});
waits('smartAuthMetadata with endpoints', 'SMART App Launch');
end();
