// Search truth: random queries over HTTP, answered beside by a scan of the resources with another FHIRPath engine.
//
// Nothing here is taken from our own tables or code: expressions come from the official package, values from npm fhirpath,
// and what a parameter means is written down again from search.html. run says how it is used.

import fs from 'node:fs'
import path from 'node:path'
import http from 'node:http'
import { createRequire } from 'node:module'

const [, , base, definitions, out, countText, seedText, ...inputs] = process.argv
const require = createRequire(path.join(process.env.ORACLE_MODULES ?? process.cwd(), 'x.js'))
const fhirpath = require('fhirpath')
const r4 = require('fhirpath/fhir-context/r4')

// ---- randomness that can be repeated -------------------------------------------------------------------------------
let state = Number(seedText) >>> 0
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const pick = list => list[Math.floor(random() * list.length)]
const chance = part => random() < part

// ---- exact decimals: { n: BigInt, e: power of ten } ----------------------------------------------------------------
const decimal = text => {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(String(text))
  if (!match) return null
  const digits = BigInt(match[2] + (match[3] ?? ''))
  return { n: match[1] === '-' ? -digits : digits, e: Number(match[4] ?? 0) - (match[3] ?? '').length }
}
const aligned = (a, b) => {
  const e = Math.min(a.e, b.e)
  return [a.n * 10n ** BigInt(a.e - e), b.n * 10n ** BigInt(b.e - e), e]
}
const compare = (a, b) => {
  if (a === b) return 0
  if (a === -Infinity || b === Infinity) return -1
  if (a === Infinity || b === -Infinity) return 1
  const [x, y] = aligned(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}
const plus = (a, b) => { const [x, y, e] = aligned(a, b); return { n: x + y, e } }
const minus = (a, b) => plus(a, { n: -b.n, e: b.e })
const times = (a, b) => ({ n: a.n * b.n, e: a.e + b.e })

// ---- what the resources hold ---------------------------------------------------------------------------------------
const resources = new Map() // type -> id -> resource
const keep = resource => {
  if (!resource?.resourceType || !resource.id || !/^[A-Za-z0-9\-.]{1,64}$/.test(resource.id)) return
  const own = resources.get(resource.resourceType) ?? new Map()
  resources.set(resource.resourceType, own)
  own.set(resource.id, resource)
}
const read = file => {
  const json = JSON.parse(fs.readFileSync(file, 'utf8'))
  if (json.resourceType === 'Bundle' && ['transaction', 'batch', 'collection'].includes(json.type) && /bundles/.test(file)) {
    const renamed = new Map()
    for (const entry of json.entry ?? []) {
      if (entry.resource?.id && entry.fullUrl) renamed.set(entry.fullUrl, `${entry.resource.resourceType}/${entry.resource.id}`)
    }
    const text = JSON.stringify(json, (key, value) => (key === 'reference' && renamed.has(value) ? renamed.get(value) : value))
    JSON.parse(text).entry.forEach(entry => keep(entry.resource))
  } else keep(json)
}
for (const input of inputs) {
  if (fs.statSync(input).isDirectory()) fs.readdirSync(input).filter(name => name.endsWith('.json')).sort().forEach(name => read(path.join(input, name)))
  else read(input)
}
// Policies and grants of the server's own are no data for a search.
for (const type of ['Consent', 'AuditEvent', 'SearchParameter', 'Subscription']) resources.delete(type)

// ---- the parameters ------------------------------------------------------------------------------------------------
const byUrl = new Map()
for (const name of fs.readdirSync(definitions)) {
  if (!name.startsWith('SearchParameter-')) continue
  const definition = JSON.parse(fs.readFileSync(path.join(definitions, name), 'utf8'))
  if (['example', 'example-reference', 'example-extension'].includes(definition.id)) continue
  if (definition.expression && definition.base) byUrl.set(definition.url, definition)
}
const noDomain = ['Bundle', 'Binary', 'Parameters']
const parameters = new Map()
for (const type of resources.keys()) {
  const own = [...byUrl.values()].filter(it =>
    it.base.includes(type) || it.base.includes('Resource') || (it.base.includes('DomainResource') && !noDomain.includes(type)))
  parameters.set(type, own.filter(it => !['_id', '_lastUpdated', '_query'].includes(it.code)).filter(it => of(it.expression, [type, 'Resource', 'DomainResource'])))
}
function of (expression, names) {
  return names.some(name => new RegExp(`\\b${name}\\b`).test(expression))
}
const compiled = new Map()
const evaluate = (node, expression, base) => {
  // A reference is resolved by the type that its text names.
  const text = expression
    .replace(/where\(resolve\(\) is ([A-Za-z]+)\)/g, (_, name) => `where(reference.matches('^(.*/)?${name}/[^/]+(/_history/[^/]+)?$'))`)
    .replace(/as\(DateTime\)/g, 'as(dateTime)')
    .replace(/\bResource\./g, '').replace(/\bDomainResource\./g, '')
  const key = `${base ?? ''} ${text}`
  if (!compiled.has(key)) compiled.set(key, fhirpath.compile(base ? { base, expression: text } : text, r4, { resolveInternalTypes: false }))
  const found = compiled.get(key)(node)
  return found.flatMap(unwrapped)
}
const unwrapped = value => {
  if (value && typeof value === 'object' && typeof value.url === 'string' && !value.resourceType) {
    const own = Object.keys(value).filter(key => key.startsWith('value'))
    if (own.length && Object.keys(value).every(key => ['url', 'id', 'extension', ...own].includes(key))) return own.map(key => value[key])
  }
  return [value]
}
const branch = (expression, type) => branchParts(expression, type).join(' | ') || null
const branchParts = (expression, type) => {
  const parts = []
  let depth = 0; let quoted = false; let part = ''
  for (const letter of expression) {
    if (letter === "'") quoted = !quoted
    if (!quoted && letter === '(') depth++
    if (!quoted && letter === ')') depth--
    if (letter === '|' && !depth && !quoted) { parts.push(part); part = '' } else part += letter
  }
  parts.push(part)
  return parts.map(it => it.trim()).filter(it => new RegExp(`^\\(*(${type}|Resource|DomainResource)\\b`).test(it))
}
const cache = new Map()
const values = (type, id, parameter) => {
  const key = `${type}/${id}/${parameter.code}`
  if (!cache.has(key)) {
    const expression = branch(parameter.expression, type)
    cache.set(key, expression ? evaluate(resources.get(type).get(id), expression) : [])
  }
  return cache.get(key)
}

// A text in a choice is no date, whatever it looks like.
const dated = (type, id, parameter) => {
  const key = `${type}/${id}/${parameter.code}/dated`
  if (cache.has(key)) return cache.get(key)
  const isDate = ['date', 'dateTime', 'instant', 'Period', 'Timing'].map(name => `$this is FHIR.${name}`).join(' or ')
  cache.set(key, evaluate(resources.get(type).get(id), `(${branch(parameter.expression, type)}).where(${isDate})`))
  return cache.get(key)
}

// ---- values by kind ------------------------------------------------------------------------------------------------
const fold = text => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
  .replace(/ß/g, 'ss').replace(/æ/g, 'ae').replace(/œ/g, 'oe').replace(/ø/g, 'o').replace(/đ/g, 'd').replace(/ł/g, 'l').replace(/ı/g, 'i')
const strings = value => {
  if (typeof value === 'string') return [value]
  if (value === null || typeof value !== 'object') return [String(value)]
  const names = 'family' in value || 'given' in value || 'prefix' in value || 'suffix' in value
    ? ['text', 'family', 'given', 'prefix', 'suffix']
    : ['text', 'line', 'city', 'district', 'state', 'postalCode', 'country']
  if (value.coding) return [value.text, ...value.coding.map(it => it.display)].filter(Boolean)
  return names.flatMap(name => value[name] ?? []).filter(it => typeof it === 'string')
}
const tokens = value => {
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return [{ code: String(value), plain: true }]
  if (value.coding) return value.coding.map(it => ({ system: it.system, code: it.code }))
  if (value.reference) return [{ code: value.reference, plain: true }]
  if ('value' in value && ['phone', 'fax', 'email', 'pager', 'url', 'sms', 'other', undefined].includes(value.system)) {
    return [{ code: value.value, plain: true }, { system: value.system, code: value.value }]
  }
  if ('value' in value) return [{ system: value.system, code: value.value }]
  if ('code' in value || 'system' in value) return [{ system: value.system, code: value.code }]
  return []
}
const texts = value => typeof value !== 'object' ? [] : value.coding
  ? [value.text, ...value.coding.map(it => it.display)].filter(Boolean)
  : value.text && !('value' in value) ? [value.text] : value.type?.text ? [value.type.text] : value.display && !value.reference ? [value.display] : []
const day = 86400000
const stretch = text => {
  const match = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/.exec(text)
  if (!match) return null
  const [, year, month, date, hour, minute, second, fraction, zone] = match
  const at = (...parts) => { const made = new Date(0); made.setUTCFullYear(parts[0], parts[1], parts[2]); made.setUTCHours(parts[3] ?? 0, parts[4] ?? 0, parts[5] ?? 0, 0); return made.getTime() }
  if (!month) return [at(+year, 0, 1), at(+year + 1, 0, 1) - 1]
  if (!date) return [at(+year, +month - 1, 1), at(+year, +month, 1) - 1]
  if (!hour) return [at(+year, +month - 1, +date), at(+year, +month - 1, +date) + day - 1]
  const offset = !zone || zone === 'Z' ? 0 : (zone[0] === '-' ? -1 : 1) * (+zone.slice(1, 3) * 60 + +zone.slice(4, 6)) * 60000
  const start = at(+year, +month - 1, +date, +hour, +minute, +(second ?? 0)) - offset
  if (second === undefined) return [start, start + 59999]
  if (fraction === undefined) return [start, start + 999]
  const millis = Math.floor(Number(`0${fraction}`) * 1000 + 1e-9)
  const digits = fraction.length - 1
  const width = digits >= 3 ? 1 : 10 ** (3 - digits)
  return [start + millis, start + millis + width - 1]
}
const dates = value => {
  if (typeof value === 'string') { const found = stretch(value); return found ? [found] : [] }
  if (value.event || value.repeat) {
    const all = [...(value.event ?? []).map(stretch), ...(value.repeat?.boundsPeriod ? dates(value.repeat.boundsPeriod) : [])].filter(Boolean)
    return all.length ? [[Math.min(...all.map(it => it[0])), Math.max(...all.map(it => it[1]))]] : []
  }
  if (!value.start && !value.end) return []
  const start = value.start ? stretch(value.start) : [-Infinity]; const end = value.end ? stretch(value.end) : [0, Infinity]
  return start && end ? [[start[0], end[1]]] : []
}
// Only what the data uses; a table, so that no unit engine decides on itself.
const units = {
  g: ['g', '1'], mg: ['g', '0.001'], kg: ['g', '1000'], ug: ['g', '0.000001'],
  'mg/dL': ['g/L', '0.01'], 'g/dL': ['g/L', '10'], 'g/L': ['g/L', '1'], 'ug/dL': ['g/L', '0.00001'], 'ng/mL': ['g/L', '0.000001'],
  cm: ['m', '0.01'], m: ['m', '1'], mm: ['m', '0.001'], '/min': ['1/min', '1'], '{beats}/min': ['1/min', '1'], '{Beats}/min': ['1/min', '1'],
  s: ['s', '1'], min: ['s', '60'], h: ['s', '3600'], d: ['s', '86400'], L: ['L', '1'], mL: ['L', '0.001'], dL: ['L', '0.1'],
}
// What stands in braces is a remark; a remark alone is a count.
const unitOf = code => code === undefined ? undefined : units[code] ?? units[code.replace(/\{[^}]*\}/g, '')] ?? (/^\{[^}]*\}$/.test(code) || code === '1' ? ['1', '1'] : code === '%' ? ['1', '0.01'] : code === '/{count}' ? ['1', '1'] : undefined)
const ucum = 'http://unitsofmeasure.org'
const exact = number => decimal(number)
const quantities = value => {
  if (typeof value === 'number') return [{ low: exact(value), high: exact(value) }]
  if (value === null || typeof value !== 'object') return []
  if ('currency' in value) return 'value' in value ? [{ low: exact(value.value), high: exact(value.value), system: 'urn:iso:std:iso:4217', code: value.currency }] : []
  if (value.low || value.high) {
    const unit = value.low ?? value.high
    const low = value.low?.value === undefined ? -Infinity : exact(value.low.value); const high = value.high?.value === undefined ? Infinity : exact(value.high.value)
    return low === -Infinity && high === Infinity ? [] : [{ low, high, system: unit.system, code: unit.code, unit: unit.unit }]
  }
  if (!('value' in value) || 'origin' in value) return []
  const number = exact(value.value)
  const ends = { undefined: [number, number], '<': [-Infinity, number], '<=': [-Infinity, number], '>=': [number, Infinity], '>': [number, Infinity] }[value.comparator]
  return [{ low: ends[0], high: ends[1], open: value.comparator === '<' ? 'high' : value.comparator === '>' ? 'low' : null, system: value.system, code: value.code, unit: value.unit }]
}
const scaled = (end, factor) => (end === Infinity || end === -Infinity ? end : times(end, factor))

// ---- comparison of stretches ---------------------------------------------------------------------------------------
const cut = text => { const match = /^([a-z]{2})(?=[\d+-])/.exec(text); return match ? [match[1], text.slice(2)] : ['eq', text] }
const holds = (prefix, value, query) => {
  // Each end: [point, rank]; rank -1 just below the point, +1 just above.
  const order = (a, b) => compareEnd(a[0], b[0]) || a[1] - b[1]
  const within = order(query.low, value.low) <= 0 && order(value.high, query.high) <= 0
  const above = order(value.high, query.high) > 0; const below = order(value.low, query.low) < 0
  switch (prefix) {
    case 'eq': return within
    case 'ne': return !within
    case 'gt': return above
    case 'lt': return below
    case 'ge': return above || within
    case 'le': return below || within
    case 'sa': return order(value.low, query.high) > 0
    case 'eb': return order(value.high, query.low) < 0
    case 'ap': return order(value.low, query.high) <= 0 && order(value.high, query.low) >= 0
  }
}
const compareEnd = (a, b) => (typeof a === 'number' && typeof b === 'number' ? (a === b ? 0 : a < b ? -1 : 1) : compare(a, b))
const dateHolds = (value, text) => {
  const [prefix, rest] = cut(text)
  const query = stretch(rest)
  return dates(value).some(it => holds(prefix, { low: [it[0], 0], high: [it[1], 0] }, { low: [query[0], 0], high: [query[1], 0] }))
}
const numeric = text => {
  const [prefix, digits] = cut(text)
  const number = decimal(digits)
  const places = (/\.(\d*)/.exec(digits)?.[1] ?? '').length
  const half = { n: 5n, e: -places - 1 }
  if (prefix === 'eq' || prefix === 'ne') return [prefix, { low: [minus(number, half), 0], high: [plus(number, half), -1] }]
  if (prefix === 'ap') { const tenth = { n: number.n < 0n ? -number.n : number.n, e: number.e - 1 }; return [prefix, { low: [minus(number, tenth), 0], high: [plus(number, tenth), 0] }] }
  return [prefix, { low: [number, 0], high: [number, 0] }]
}
const shown = it => ({ low: [it.low, it.open === 'low' ? 1 : 0], high: [it.high, it.open === 'high' ? -1 : 0] })
const quantityHolds = (value, text) => {
  const [number, system, code] = text.split('|')
  const [prefix, query] = numeric(number)
  return quantities(value).some(it => {
    if (code === undefined) return holds(prefix, shown(it), query)
    if (!system) return (it.code === code || it.unit === code) && holds(prefix, shown(it), query)
    if (system !== ucum) return it.system === system && it.code === code && holds(prefix, shown(it), query)
    if (it.system !== ucum) return false
    const [from, to] = [unitOf(it.code), unitOf(code)]
    if (it.code === code) return holds(prefix, shown(it), query)
    if (!from || !to || from[0] !== to[0]) return false
    const [f, t] = [decimal(from[1]), decimal(to[1])]
    const own = shown(it)
    return holds(prefix, { low: [scaled(own.low[0], f), own.low[1]], high: [scaled(own.high[0], f), own.high[1]] },
      { low: [scaled(query.low[0], t), query.low[1]], high: [scaled(query.high[0], t), query.high[1]] })
  })
}
const tokenHolds = (value, text) => {
  const parts = split(text, '|')
  return tokens(value).some(it => {
    if (it.code === undefined && !(parts.length > 1 && parts[1] === '')) return false
    if (parts.length === 1) return it.code === parts[0]
    if (parts[1] === '') return it.system === parts[0]
    return it.code === parts[1] && (it.system ?? '') === parts[0]
  })
}
const referenceHolds = (value, given, targets, named) => {
  const text = given.startsWith(`${base}/`) ? given.slice(base.length + 1) : given
  if (named && /^[A-Z][A-Za-z]*\/[^/]+/.test(text) && !text.startsWith(`${named}/`)) return false
  const raw = typeof value === 'string' ? value : value.reference
  if (!raw) return false
  const forms = [raw]
  if (typeof value === 'string') forms.push(raw.split('|')[0]); else forms.push(raw.split('/_history/')[0])
  if (raw.startsWith(`${base}/`)) forms.push(...forms.map(it => it.slice(base.length + 1)))
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(text)) return targets.some(type => forms.includes(`${type}/${text}`))
  return forms.includes(text)
}
// Cuts at separators that are not escaped, and takes the escapes away.
const split = (text, separator) => {
  const parts = ['']
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') { parts[parts.length - 1] += text[++at]; continue }
    if (text[at] === separator) parts.push(''); else parts[parts.length - 1] += text[at]
  }
  return parts
}
const rawSplit = (text, separator) => {
  const parts = ['']
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') { parts[parts.length - 1] += text[at] + (text[++at] ?? ''); continue }
    if (text[at] === separator) parts.push(''); else parts[parts.length - 1] += text[at]
  }
  return parts
}
const plain = text => split(text, '\0')[0]
const targetsOf = (parameter, type) => {
  const parts = branchParts(parameter.expression, type)
  const filters = parts.map(part => /resolve\(\) is ([A-Za-z]+)/.exec(part)?.[1])
  if (filters.length && filters.every(Boolean)) return [...new Set(filters)]
  return parameter.target ?? [...resources.keys()]
}
const one = (kind, value, text, parameter, modifier, type) => {
  switch (kind) {
    case 'token': return modifier === 'text' ? texts(value).some(it => fold(it).startsWith(fold(plain(text)))) : tokenHolds(value, text)
    case 'string': {
      const wanted = plain(text)
      if (modifier === 'exact') return strings(value).some(it => it === wanted)
      if (modifier === 'contains') return strings(value).some(it => fold(it).includes(fold(wanted)))
      return strings(value).some(it => fold(it).startsWith(fold(wanted)))
    }
    case 'date': return dateHolds(value, text)
    case 'number': case 'quantity': return quantityHolds(value, text)
    case 'uri': {
      const wanted = plain(text); const bare = wanted.replace(/\/+$/, '')
      if (modifier === 'below') return value === bare || value.startsWith(`${bare}/`)
      if (modifier === 'above') return bare === value.replace(/\/+$/, '') || bare.startsWith(`${value.replace(/\/+$/, '')}/`)
      return value === wanted
    }
    case 'reference':
      if (modifier === 'identifier') return value.identifier && tokenHolds(value.identifier, text)
      return /^[A-Z]/.test(modifier ?? '') ? referenceHolds(value, plain(text), [modifier], modifier) : referenceHolds(value, plain(text), targetsOf(parameter, type))
  }
}
// Where the elements of a composite stand, if they are no resources.
const elementBase = (parameter, type) => branchParts(parameter.expression, type).find(part => part !== type) ?? type
const matches = (type, id, parameter, modifier, text) => {
  const found = values(type, id, parameter)
  if (parameter.type === 'composite') {
    const parts = parameter.component.map(it => ({ kind: byUrl.get(it.definition).type, definition: byUrl.get(it.definition), expression: it.expression }))
    const tuples = element => parts.map(part => evaluate(element, part.expression, element.resourceType ? undefined : elementBase(parameter, type)))
    if (modifier === 'missing') return (found.some(element => tuples(element).every(it => it.length)) ? 'false' : 'true') === text
    return rawSplit(text, ',').some(each => {
      const wanted = rawSplit(each, '$')
      return found.some(element => tuples(element).every((own, index) => own.some(value => one(parts[index].kind, value, wanted[index], parts[index].definition, undefined, type))))
    })
  }
  if (modifier === 'missing') return (found.length ? 'false' : 'true') === text
  const shown = parameter.type === 'date' ? dated(type, id, parameter) : found
  const any = rawSplit(text, ',').some(each => shown.some(value => one(parameter.type, value, each, parameter, modifier, type)))
  return modifier === 'not' ? !any : any
}

// ---- queries -------------------------------------------------------------------------------------------------------
const escaped = text => text.replace(/[\\,|$]/g, letter => `\\${letter}`)
const sample = (type, parameter) => {
  const own = [...resources.get(type).keys()]
  for (let attempt = 0; attempt < 30; attempt++) {
    const found = values(type, pick(own), parameter)
    if (found.length) return pick(found)
  }
  return null
}
const prefixes = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb']
const shorter = text => {
  const forms = [text, text.slice(0, 10), text.slice(0, 7), text.slice(0, 4)]
  if (/T\d\d:\d\d:\d\d/.test(text)) forms.push(text.replace(/(T\d\d:\d\d):\d\d(\.\d+)?/, '$1'), text.replace(/\.\d+/, ''))
  return pick(forms.filter(it => stretch(it)))
}
const part = (kind, value, bare) => {
  if (value === null || value === undefined) return null
  switch (kind) {
    case 'token': {
      const own = tokens(value).filter(it => it.code !== undefined)
      if (!own.length) return null
      const it = pick(own)
      if (it.plain || it.system === undefined) return chance(0.8) ? escaped(it.code) : `|${escaped(it.code)}`
      const forms = [escaped(it.code), `${escaped(it.system)}|${escaped(it.code)}`, `${escaped(it.system)}|${escaped(it.code)}`, `|${escaped(it.code)}`]
      if (!bare) forms.push(`${escaped(it.system)}|`)
      return pick(forms)
    }
    case 'string': {
      const own = strings(value).filter(it => it.trim())
      if (!own.length) return null
      const text = pick(own).slice(0, 200)
      const length = 1 + Math.floor(random() * text.length)
      let shownText = chance(0.5) ? text : text.slice(0, length)
      if (chance(0.3)) shownText = shownText.toUpperCase()
      if (chance(0.2)) shownText = fold(shownText)
      return shownText.trim() === shownText && shownText && !/[\uD800-\uDBFF]$/.test(shownText) ? escaped(shownText) : null
    }
    case 'date': {
      const texts = typeof value === 'string' ? [value] : [value.start, value.end, ...(value.event ?? []), value.repeat?.boundsPeriod?.start].filter(Boolean)
      if (!texts.length) return null
      const text = shorter(pick(texts))
      return text ? (chance(0.3) ? '' : pick(prefixes)) + text : null
    }
    case 'number': case 'quantity': {
      const own = quantities(value)
      if (!own.length) return null
      const it = pick(own)
      const end = [it.low, it.high].find(end => typeof end === 'object')
      const raw = typeof value === 'number' ? value : value.value ?? value.low?.value ?? value.high?.value
      let text = String(raw)
      if (/e/i.test(text)) return null
      if (chance(0.3)) text = Number(raw).toFixed(pick([0, 1, 2]))
      if (chance(0.2)) text = String(Math.round((Number(raw) * pick([0.9, 1.1, 2])) * 100) / 100)
      const prefix = chance(0.3) ? '' : pick([...prefixes, 'ap'])
      if (!end || /e/i.test(text)) return null
      if (kind === 'number' || chance(0.3)) return prefix + text
      const unit = it.code ?? it.unit
      if (!unit || /[|,$\\]/.test(unit)) return prefix + text
      if (chance(0.4) || !it.system || !it.code) return `${prefix}${text}||${unit}`
      const like = units[it.code] ? Object.keys(units).filter(code => units[code][0] === units[it.code][0]) : [it.code]
      const other = it.system === ucum && chance(0.4) ? pick(like) : it.code
      if (other !== it.code) {
        const moved = Number(raw) * Number(units[it.code][1]) / Number(units[other][1])
        text = String(Number(moved.toPrecision(6)))
        if (/e/i.test(text)) return null
      }
      return `${prefix}${text}|${it.system}|${other}`
    }
    case 'uri': return typeof value === 'string' ? escaped(value) : null
    case 'reference': {
      const raw = typeof value === 'string' ? value : value.reference
      if (!raw || raw.startsWith('#')) return null
      if (typeof value === 'string') return escaped(chance(0.5) ? raw : raw.split('|')[0])
      const match = /^([A-Za-z]+)\/([A-Za-z0-9\-.]+)$/.exec(raw)
      if (match && chance(0.3)) return match[2]
      if (match && chance(0.2)) return `${base}/${raw}`
      return /^[A-Za-z]+\/|:\/\/|^urn:/.test(raw) ? escaped(raw) : null
    }
  }
  return null
}
const modifiersOf = { token: ['not', 'text'], string: ['exact', 'contains'], uri: ['below', 'above'], reference: ['identifier'] }
const condition = type => {
  const parameter = pick(parameters.get(type))
  if (!parameter || parameter.type === 'special') return null
  if (chance(0.08)) return [parameter, 'missing', pick(['true', 'false'])]
  let modifier = chance(0.3) ? pick(modifiersOf[parameter.type] ?? [undefined]) : undefined
  const texts = []
  const wanted = chance(0.2) ? 2 : 1
  for (let index = 0; index < wanted; index++) {
    const value = sample(type, parameter)
    if (value === null) return null
    if (parameter.type === 'composite') {
      const parts = parameter.component.map(it => [byUrl.get(it.definition).type, evaluate(value, it.expression, value.resourceType ? undefined : elementBase(parameter, type))])
      if (parts.some(([, own]) => !own.length)) return null
      const made = parts.map(([kind, own]) => part(kind, pick(own), true))
      if (made.includes(null)) return null
      texts.push(made.join('$'))
      continue
    }
    let text = part(parameter.type, value)
    if (modifier === 'text') { const own = texts_(value); text = own.length ? escaped(pick(own).slice(0, 1 + Math.floor(random() * 20)).trim()) : null }
    if (modifier === 'identifier') text = value?.identifier ? part('token', value.identifier) : null
    if (modifier === 'contains' && text) { const bare = plain(text); const from = Math.floor(random() * bare.length); text = escaped(bare.slice(from, from + 1 + Math.floor(random() * 8)).trim()) }
    if (modifier === 'below' && text) { const cuts = plain(text).split('/'); text = escaped(cuts.slice(0, Math.max(3, Math.floor(random() * cuts.length) + 1)).join('/')) }
    if (modifier === 'above' && text) text = `${text}/${pick(['a', 'b/c'])}`
    if (!text) return null
    texts.push(text)
  }
  if (parameter.type === 'reference' && !modifier && chance(0.2)) {
    const target = pick(targetsOf(parameter, type))
    if (parameter.target?.includes(target)) modifier = target
  }
  return [parameter, modifier, texts.join(',')]
}
function texts_ (value) { return texts(value).filter(it => it.trim()) }
const reverse = type => {
  const sources = [...resources.keys()].flatMap(source => parameters.get(source).filter(it => it.type === 'reference' && it.target?.includes(type)).map(it => [source, it]))
  if (!sources.length) return null
  const [source, link] = pick(sources)
  const inner = condition(source)
  return inner && [source, link, inner]
}
const named = (parameter, modifier) => parameter.code + (modifier ? `:${modifier}` : '')
const refers = (value, type, id) => typeof value === 'object' && value.reference && referenceHolds(value, `${type}/${id}`, [])
const query = () => {
  const types = [...resources.keys()]
  const type = chance(0.5) ? pick(types) : pick(types.filter(it => resources.get(it).size > 20))
  const ids = [...resources.get(type).keys()]
  const kind = random()
  if (kind < Number(process.env.ORACLE_CHAINS ?? 0.15)) {
    if (chance(0.5)) {
      const links = parameters.get(type).filter(it => it.type === 'reference')
      if (!links.length) return null
      const link = pick(links)
      const targets = targetsOf(link, type).filter(it => resources.has(it))
      if (!targets.length) return null
      const target = pick(targets)
      const inner = condition(target)
      if (!inner) return null
      const hits = [...resources.get(target).keys()].filter(id => matches(target, id, ...inner))
      const expected = ids.filter(id => values(type, id, link).some(value => hits.some(hit => refers(value, target, hit))))
      return { type, text: [[`${link.code}:${target}.${named(inner[0], inner[1])}`, inner[2]]], expected }
    }
    const found = reverse(type)
    if (!found) return null
    const [source, link, inner] = found
    const hits = [...resources.get(source).keys()].filter(id => matches(source, id, ...inner))
    const expected = ids.filter(id => hits.some(hit => values(source, hit, link).some(value => refers(value, type, id))))
    return { type, text: [[`_has:${source}:${link.code}:${named(inner[0], inner[1])}`, inner[2]]], expected }
  }
  const conditions = [condition(type)]
  if (chance(0.25)) conditions.push(condition(type))
  if (conditions.includes(null)) return null
  const expected = ids.filter(id => conditions.every(it => matches(type, id, ...it)))
  return { type, text: conditions.map(it => [named(it[0], it[1]), it[2]]), expected }
}

// ---- HTTP ----------------------------------------------------------------------------------------------------------
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
const send = (method, url, body) => new Promise((resolve, reject) => {
  const request = http.request(url, { method, agent, headers: { accept: 'application/fhir+json', ...(body ? { 'content-type': 'application/fhir+json' } : {}) } }, response => {
    const pieces = []
    response.on('data', piece => pieces.push(piece))
    response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(pieces).toString('utf8') }))
  })
  request.on('error', reject)
  request.end(body)
})
const load = async () => {
  let refused = 0
  for (const [type, own] of resources) {
    const ids = [...own.keys()]
    for (let at = 0; at < ids.length; at += 4) {
      await Promise.all(ids.slice(at, at + 4).map(async id => {
        const { status, text } = await send('PUT', `${base}/${type}/${id}`, JSON.stringify(own.get(id)))
        if (status >= 300) {
          // Not stored, so not to be found; said, since it is no search that was tested.
          refused++
          own.delete(id)
          fs.appendFileSync(`${out}.refused`, `${type}/${id} ${status} ${text.slice(0, 300)}\n`)
        }
      }))
    }
    if (!own.size) resources.delete(type)
  }
  return refused
}
const search = async (type, pairs) => {
  let url = `${base}/${type}?${pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')}&_count=1000`
  const found = []
  while (url) {
    const { status, text } = await send('GET', url)
    if (status !== 200) return { status, text }
    const bundle = JSON.parse(text)
    for (const entry of bundle.entry ?? []) if (entry.search?.mode === 'match') found.push(entry.resource.id)
    url = bundle.link?.find(it => it.relation === 'next')?.url
  }
  return { status: 200, found }
}

const refused = process.env.ORACLE_LOADED ? 0 : await load()
const total = [...resources.values()].reduce((sum, own) => sum + own.size, 0)
console.error(`${total} resources of ${resources.size} types, ${refused} refused`)
const wanted = Number(countText)
const tally = { asked: 0, agreed: 0, hits: 0, differences: 0, errors: 0 }
const kinds = {}
for (const file of [out, `${out}.oracle`]) fs.writeFileSync(file, '')
for (let tries = 0; tally.asked < wanted && tries < wanted * 20; tries++) {
  let asked
  try { asked = query() } catch (error) { fs.appendFileSync(`${out}.oracle`, `${error.stack}\n`); continue }
  // A query that finds nothing says little: most of them are left out.
  if (!asked || (asked.expected.length === 0 && chance(0.7))) continue
  tally.asked++
  for (const [name] of asked.text) {
    const kind = name.startsWith('_has') ? '_has' : name.includes('.') ? 'chain' : `${parameters.get(asked.type).find(it => it.code === name.split(':')[0]).type}${name.includes(':') ? ':' + name.split(':')[1].replace(/^[A-Z].*/, '[type]') : ''}`
    kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  const answer = await search(asked.type, asked.text)
  const text = `${asked.type}?${asked.text.map(it => it.join('=')).join('&')}`
  if (answer.status !== 200) {
    tally.errors++
    fs.appendFileSync(out, `${answer.status} ${text} ${JSON.parse(answer.text).issue?.map(it => it.diagnostics ?? it.details?.text).join('; ')}\n`)
    continue
  }
  const ours = new Set(answer.found); const theirs = new Set(asked.expected)
  const more = [...ours].filter(id => !theirs.has(id)); const fewer = [...theirs].filter(id => !ours.has(id))
  if (more.length || fewer.length || ours.size !== answer.found.length) {
    tally.differences++
    fs.appendFileSync(out, `DIFFERS ${text}\n    expected ${theirs.size}, found ${answer.found.length}; more: ${more.slice(0, 3)}; fewer: ${fewer.slice(0, 3)}\n`)
  } else { tally.agreed++; tally.hits += theirs.size }
}
console.log(JSON.stringify({ ...tally, kinds }, null, 1))
process.exit(tally.agreed === tally.asked ? 0 : 1)
