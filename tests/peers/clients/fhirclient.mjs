// Everything that fhirclient (npm, SMART JS) can do without a launch, against the server at $BASE.
import { createRequire } from 'node:module';
import { base, end, is, packages, status, step, token, waits } from './steps.mjs';

const require = createRequire(`${packages}/none.js`);
const FHIR = require('fhirclient');
const request = { url: '/', headers: {}, protocol: 'http' };
const storage = { get: async () => undefined, set: async () => undefined, unset: async () => true };
const smart = FHIR(request, {}, storage);
const plain = new FHIR.FhirClient(base);
const state = { serverUrl: base, ...(token ? { tokenResponse: { access_token: token, token_type: 'bearer' } } : {}) };
const run = Math.random().toString(36).slice(2, 10);
const system = 'urn:anchorline:peers:smart-js';
const family = `Smartjs${run}`;

const client = await step('client of a state', () => smart.client(state));

await step('FHIR version and release', async () => {
  is([await client.getFhirVersion(), await client.getFhirRelease()], ['4.0.1', 4]);
  is(await plain.getFhirVersion(), '4.0.1');
});

const patient = await step('create', async () => {
  const made = await client.create({ resourceType: 'Patient', identifier: [{ system, value: run }], name: [{ family, given: ['Flora'] }], birthDate: '1977-07-07' });
  is(made.name[0].family, family);
  return made;
});

await step('create with a minimal answer is followed by its Location', async () => {
  const made = await client.create({ resourceType: 'Patient', identifier: [{ system, value: `${run}m` }] }, { headers: { Prefer: 'return=minimal' } });
  is(made.identifier[0].value, `${run}m`);
});

await step('read, and 404', async () => {
  is((await client.request(`Patient/${patient.id}`)).birthDate, '1977-07-07');
  await status(404, () => client.request(`Patient/no-such-${run}`));
});

await step('includeResponse: ETag and Last-Modified', async () => {
  const { response } = await client.request({ url: `Patient/${patient.id}`, includeResponse: true });
  is(Boolean(response.headers.get('etag') && response.headers.get('last-modified')), true);
});

await step('update', async () => is((await client.update({ ...patient, gender: 'female' })).meta.versionId, '2'));

await step('patch', async () => {
  const changed = await client.patch(`Patient/${patient.id}`, [{ op: 'replace', path: '/gender', value: 'other' }]);
  is((changed?.gender) ?? (await client.request(`Patient/${patient.id}`)).gender, 'other');
});

const made = await step('observations', async () => {
  const all = [];
  for (const day of [1, 2, 3, 4, 5]) {
    all.push(await client.create({ resourceType: 'Observation', status: 'final', subject: { reference: `Patient/${patient.id}` }, effectiveDateTime: `2026-05-0${day}`,
      code: { coding: [{ system: 'http://loinc.org', code: day % 2 ? '8302-2' : '29463-7' }] },
      valueQuantity: { value: 60.5 + day, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' } }));
  }
  return all;
});

await step('search and byCode, byCodes, units', async () => {
  const bundle = await client.request(`Observation?patient=${patient.id}&_sort=date`);
  const resources = bundle.entry.map((entry) => entry.resource);
  is(Object.keys(client.byCode(resources, 'code')).sort(), ['29463-7', '8302-2']);
  is(client.byCodes(resources, 'code')('29463-7').length, 2);
  is(client.units.kg(resources[0].valueQuantity), 61.5);
  is(client.getPath(bundle, 'entry.0.resource.status'), 'final');
});

await step('flat, pageLimit 0: every page is fetched', async () => {
  const all = await client.request(`Observation?patient=${patient.id}&_count=2`, { pageLimit: 0, flat: true });
  is(all.length, 5);
});

await step('onPage sees three pages', async () => {
  let pages = 0;
  await client.request(`Observation?patient=${patient.id}&_count=2`, { pageLimit: 0, onPage: () => { pages += 1; } });
  is(pages, 3);
});

await step('resources and pages of FhirClient, following next', async () => {
  let count = 0;
  for await (const resource of client.resources(`Observation?patient=${patient.id}&_count=2`)) count += resource.resourceType === 'Observation' ? 1 : 0;
  is(count, 5);
  let pages = 0;
  for await (const page of client.pages(`Observation?patient=${patient.id}&_count=2`)) pages += page.type === 'searchset' ? 1 : 0;
  is(pages, 3);
});

await step('resolveReferences: graph, and references apart', async () => {
  const graph = await client.request(`Observation/${made[0].id}`, { resolveReferences: 'subject', graph: true });
  is(graph.subject.name[0].family, family);
  const apart = await client.request(`Observation/${made[0].id}`, { resolveReferences: ['subject'], graph: false });
  is(Object.keys(apart.references), [`Patient/${patient.id}`]);
  is(Object.keys(await client.getReferences(made[0], ['subject'])), [`Patient/${patient.id}`]);
});

await step('search with includes, chain and prefixes', async () => {
  is((await client.request(`Observation?subject:Patient.family=${family}`)).entry.length, 5);
  is((await client.request(`Observation?patient=${patient.id}&_include=Observation:subject`)).entry.length, 6);
  is((await client.request(`Observation?patient=${patient.id}&date=gt2026-05-03`)).entry.length, 2);
  is((await client.request(`Patient/${patient.id}/Observation?code=8302-2`)).entry.length, 3);
});

await step('transaction and batch', async () => {
  const send = (type, entry) => client.request({ url: '', method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ resourceType: 'Bundle', type, entry }) });
  const answer = await send('transaction', [{ resource: { resourceType: 'Patient', identifier: [{ system, value: `${run}t` }] }, request: { method: 'POST', url: 'Patient' } }]);
  is(answer.entry[0].response.status.slice(0, 3), '201');
  is((await send('batch', [{ request: { method: 'GET', url: `Patient/${patient.id}` } }])).entry[0].response.status.slice(0, 3), '200');
});

await step('operations', async () => {
  is((await client.request(`Patient/${patient.id}/$everything`)).entry.length >= 6, true);
  is((await client.request(`Patient/${patient.id}/_history`)).entry.length, 3);
});

await step('a refusal is an HttpError with the outcome', async () => {
  try {
    await client.create({ resourceType: 'Patient', shoe: 43 });
  } catch (error) {
    is([error.statusCode >= 400, /OperationOutcome|shoe/.test(error.message + JSON.stringify(error.body ?? ''))], [true, true]);
    return;
  }
  throw new Error('was taken');
});

await step('CORS: a preflight of a browser is answered', async () => {
  const answer = await fetch(`${base}/Patient`, { method: 'OPTIONS', headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' } });
  is(answer.status < 300, true);
});

await step('delete, then 410', async () => {
  await client.delete(`Observation/${made[4].id}`);
  await status(410, () => client.request(`Observation/${made[4].id}`));
});

waits('authorize, init, ready, refresh', 'SMART App Launch');
waits('patient.read, user.read, encounter.read', 'need the context of a launch');
end();
