//! The sums over a corpus, and their JSON.

use std::collections::BTreeMap;

use model::json::Json;

use super::facts::Tier;
use super::page;
use super::pairs::PairScore;
use super::run::{FileScore, Loss, Missed, Outcome};
use super::subject::Format;
use super::way_back::RoundTrip;

/// Found and all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Found.
    pub found: usize,
    /// All.
    pub all: usize,
}

impl Tally {
    pub(super) fn count(&mut self, found: bool) {
        self.all += 1;
        self.found += usize::from(found);
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.found += other.found;
        self.all += other.all;
    }

    /// In hundredths of a percent; nothing to find counts as found.
    pub fn basis_points(&self) -> usize {
        (self.found * 10_000).checked_div(self.all).unwrap_or(10_000)
    }

    /// Such as `97.31`, rounded down.
    pub fn percent(&self) -> String {
        let points = self.basis_points();
        format!("{}.{:02}", points / 100, points % 100)
    }

    pub(super) fn to_json(self) -> Json {
        Json::object([
            ("found", Json::from(self.found as u64)),
            ("all", Json::from(self.all as u64)),
            ("percent", Json::from(self.percent().as_str())),
        ])
    }
}

/// Sums over some of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Inputs.
    pub inputs: usize,
    /// Inputs of which no message was converted.
    pub refused: usize,
    /// Inputs at which the program failed.
    pub panicked: usize,
    /// Facts by tier in the order of [`Tier::ALL`]; those of refused inputs count as not found.
    pub facts: [Tally; 4],
    /// Of them, those in elements and not only in extensions.
    pub in_elements: [Tally; 4],
    /// The mean of the recall of each input that has facts of the tier, in hundredths of a percent, by tier.
    pub means: [usize; 4],
    /// Leaves of the outputs that the inputs or tables say, and all.
    pub invention: Tally,
    /// By system: leaves of its expected files that are there, and all.
    pub expected: BTreeMap<String, Tally>,
    /// Questions the ledger answered truly, and all.
    pub honesty: Tally,
    /// Microseconds for one message: the middle one, the one that 95 of 100 are below, the longest.
    pub speed: [u64; 3],
    /// Inputs with an output that says far more than they do.
    pub stuffed: usize,
    /// What became of the pieces.
    pub loss: Loss,
    /// What comes back.
    pub round_trip: RoundTrip,
    /// Inputs whose second run differed.
    pub not_deterministic: usize,
    /// Inputs with an invalid output.
    pub invalid: usize,
    /// Inputs with a narrative that a browser would run or fetch something for.
    pub unsafe_narratives: usize,
    /// Made variants: as expected, and all.
    pub as_expected: Tally,
}

impl Group {
    /// Sums over these inputs.
    pub fn over<'f>(files: impl IntoIterator<Item = &'f FileScore>) -> Self {
        let mut group = Self::default();
        let (mut recalls, mut with) = ([0_usize; 4], [0_usize; 4]);
        let mut micros = Vec::new();
        for file in files {
            group.inputs += 1;
            group.refused += usize::from(matches!(file.outcome, Outcome::Refused(_)));
            group.panicked += usize::from(file.outcome == Outcome::Panicked);
            group.not_deterministic += usize::from(!file.deterministic);
            group.invalid += usize::from(!file.invalid.is_empty());
            group.unsafe_narratives += usize::from(!file.unsafe_narratives.is_empty());
            for (sum, tally) in group.facts.iter_mut().zip(file.facts) {
                sum.add(tally);
            }
            for (sum, tally) in group.in_elements.iter_mut().zip(file.in_elements) {
                sum.add(tally);
            }
            for ((recall, with), tally) in recalls.iter_mut().zip(&mut with).zip(file.facts) {
                if tally.all > 0 {
                    *recall += tally.basis_points();
                    *with += 1;
                }
            }
            group.invention.add(file.invention);
            group.honesty.add(file.honesty);
            group.stuffed += usize::from(file.is_stuffed());
            micros.extend_from_slice(&file.micros);
            for (system, tally) in &file.expected {
                group.expected.entry(system.clone()).or_default().add(*tally);
            }
            group.loss.pieces += file.loss.pieces;
            group.loss.mapped += file.loss.mapped;
            group.loss.kept += file.loss.kept;
            group.loss.dropped += file.loss.dropped;
            group.loss.unbalanced += file.loss.unbalanced;
            group.round_trip.add(&file.round_trip);
            if let Some(as_expected) = file.as_expected {
                group.as_expected.count(as_expected);
            }
        }
        for ((mean, recalls), with) in group.means.iter_mut().zip(recalls).zip(with) {
            *mean = recalls.checked_div(with).unwrap_or(10_000);
        }
        micros.sort_unstable();
        let at = |share: usize| micros.get((micros.len() * share / 100).min(micros.len().saturating_sub(1))).copied();
        group.speed = [at(50), at(95), at(100)].map(Option::unwrap_or_default);
        group
    }

    /// Facts of a tier.
    pub fn tier(&self, tier: Tier) -> Tally {
        Tier::ALL.iter().zip(self.facts).find(|(t, _)| **t == tier).map(|(_, tally)| tally).unwrap_or_default()
    }

    /// Facts of a tier that stand in elements and not only in extensions.
    pub fn tier_in_elements(&self, tier: Tier) -> Tally {
        Tier::ALL.iter().zip(self.in_elements).find(|(t, _)| **t == tier).map(|(_, tally)| tally).unwrap_or_default()
    }

    /// All measures as JSON.
    pub fn to_json(&self) -> Json {
        let count = |n: usize| Json::from(n as u64);
        let in_elements = Tier::ALL.iter().zip(self.in_elements).map(|(tier, tally)| (tier.as_str(), tally.to_json()));
        let facts = Tier::ALL.iter().zip(self.facts).map(|(tier, tally)| (tier.as_str(), tally.to_json()));
        let round_trip = Tally { found: self.round_trip.equal, all: self.round_trip.pieces };
        Json::object([
            ("inputs", count(self.inputs)),
            ("refused", count(self.refused)),
            ("panicked", count(self.panicked)),
            ("facts", Json::object(facts)),
            ("factsInElements", Json::object(in_elements)),
            (
                "meanOfInputs",
                Json::object(
                    Tier::ALL.iter().zip(self.means).map(|(t, m)| (t.as_str(), Json::from(percent(m).as_str()))),
                ),
            ),
            ("saidByInputOrTables", self.invention.to_json()),
            ("stuffed", count(self.stuffed)),
            (
                "expectedByOthers",
                Json::object(self.expected.iter().map(|(name, tally)| (name.clone(), tally.to_json()))),
            ),
            ("honesty", self.honesty.to_json()),
            (
                "microseconds",
                Json::object(["median", "p95", "longest"].into_iter().zip(self.speed).map(|(n, v)| (n, Json::from(v)))),
            ),
            ("loss", loss_json(&self.loss)),
            ("roundTrip", round_trip.to_json()),
            ("roundTripStrict", Tally { found: self.round_trip.strict, all: self.round_trip.pieces }.to_json()),
            ("roundTripAdded", count(self.round_trip.added)),
            ("roundTripMissed", self.round_trip.missed_json()),
            ("notDeterministic", count(self.not_deterministic)),
            ("invalid", count(self.invalid)),
            ("unsafeNarratives", count(self.unsafe_narratives)),
            ("asExpected", self.as_expected.to_json()),
        ])
    }
}

pub(super) fn percent(basis_points: usize) -> String {
    format!("{}.{:02}", basis_points / 100, basis_points % 100)
}

fn loss_json(loss: &Loss) -> Json {
    let count = |n: usize| Json::from(n as u64);
    Json::object([
        ("pieces", count(loss.pieces)),
        ("mapped", count(loss.mapped)),
        ("kept", count(loss.kept)),
        ("dropped", count(loss.dropped)),
        ("unbalancedMessages", count(loss.unbalanced)),
    ])
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By input, in the order of sets and names.
    pub files: Vec<FileScore>,
    /// Inputs of kinds that this version does not convert, by kind.
    pub other_kinds: BTreeMap<String, usize>,
    /// FHIR to HL7 v2, by pair.
    pub pairs: Vec<PairScore>,
    /// The worst inputs, opened.
    pub details: Vec<Detail>,
    /// The converter's name.
    pub converter: String,
}

/// One of the worst inputs, opened: what came in, what came out.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The set it belongs to.
    pub set: String,
    /// File name.
    pub input: String,
    /// The input, every letter and digit replaced unless values may be shown.
    pub before: String,
    /// The output, likewise.
    pub after: String,
    /// Findings and, by fate, the places of the ledger.
    pub remarks: Vec<String>,
}

impl Report {
    /// Sums over all inputs.
    pub fn total(&self) -> Group {
        Group::over(&self.files)
    }

    /// Sums over the inputs whose message type has a table: what the packages promise to serve.
    pub fn served(&self) -> Group {
        Group::over(self.files.iter().filter(|file| file.described))
    }

    /// The formats of the inputs.
    pub fn formats(&self) -> Vec<Format> {
        Format::ALL.into_iter().filter(|format| self.files.iter().any(|file| file.format == *format)).collect()
    }

    /// The same over the inputs of one format.
    pub fn of_format(&self, format: Format) -> Self {
        let mut report = self.clone();
        report.files.retain(|file| file.format == format);
        if format != Format::Hl7v2 {
            report.pairs.clear();
        }
        report
    }

    /// Sums by the groups of a format that has any, such as full documents.
    pub fn by_group(&self) -> BTreeMap<&str, Group> {
        let mut groups = self.by(|file| file.group);
        groups.remove("");
        groups
    }

    /// Sums by set.
    pub fn by_set(&self) -> BTreeMap<&str, Group> {
        self.by(|file| &file.set)
    }

    /// Sums by message type.
    pub fn by_type(&self) -> BTreeMap<&str, Group> {
        self.by(|file| &file.message_type)
    }

    /// Sums by sender: the names of systems in MSH-4 and MSH-3.
    pub fn by_sender(&self) -> BTreeMap<&str, Group> {
        self.by(|file| &file.sender)
    }

    /// Sums by mapping package.
    pub fn by_package(&self) -> BTreeMap<&str, Group> {
        self.by(|file| &file.package)
    }

    /// Values of FHIR to HL7 v2 that are there, and all.
    pub fn pairs_total(&self) -> Tally {
        let mut total = Tally::default();
        self.pairs.iter().for_each(|pair| total.add(pair.values));
        total
    }

    fn by<'r>(&'r self, key: impl Fn(&'r FileScore) -> &'r str) -> BTreeMap<&'r str, Group> {
        let mut groups: BTreeMap<&str, Vec<&FileScore>> = BTreeMap::new();
        for file in &self.files {
            groups.entry(key(file)).or_default().push(file);
        }
        groups.into_iter().map(|(name, files)| (name, Group::over(files))).collect()
    }

    /// Inputs with missed core facts, failures or silent losses, the worst first.
    pub fn worst(&self) -> Vec<&FileScore> {
        let mut files: Vec<_> = self.files.iter().filter(|file| badness(file) > (0, 0)).collect();
        files.sort_by_key(|file| std::cmp::Reverse(badness(file)));
        files
    }

    /// Where facts are missed most often: tier, place in the input without its counts, resource types; and how often.
    pub fn misses(&self) -> Vec<((Tier, String, String), usize)> {
        let mut counts: BTreeMap<(Tier, String, String), usize> = BTreeMap::new();
        for missed in self.files.iter().filter(|f| f.described).flat_map(|file| &file.missed) {
            let key = (missed.tier, without_counts(&missed.src), missed.resources.join(" "));
            *counts.entry(key).or_default() += 1;
        }
        let mut rows: Vec<_> = counts.into_iter().collect();
        rows.sort_by(|(a, n), (b, m)| (a.0, m, a).cmp(&(b.0, n, b)));
        rows
    }

    /// Where content found no home, most often first: place, pieces kept, pieces dropped, inputs.
    pub fn unmapped(&self) -> Vec<(&str, usize, usize, usize)> {
        let mut counts: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        for unmapped in self.files.iter().flat_map(|file| &file.unmapped) {
            let (kept, dropped, inputs) = counts.entry(unmapped.place.as_str()).or_default();
            *kept += unmapped.kept as usize;
            *dropped += unmapped.dropped as usize;
            *inputs += 1;
        }
        let mut rows: Vec<_> =
            counts.into_iter().map(|(place, (kept, dropped, n))| (place, kept, dropped, n)).collect();
        rows.sort_by_key(|(place, kept, dropped, _)| (std::cmp::Reverse(kept + dropped), *place));
        rows
    }

    /// The whole report as JSON.
    pub fn to_json(&self) -> Json {
        let groups =
            |groups: BTreeMap<&str, Group>| Json::object(groups.into_iter().map(|(k, g)| (k.to_owned(), g.to_json())));
        let misses = self.misses().into_iter().map(|((tier, src, resources), count)| {
            Json::object([
                ("tier", Json::from(tier.as_str())),
                ("src", Json::from(src.as_str())),
                ("resources", Json::from(resources.as_str())),
                ("count", Json::from(count as u64)),
            ])
        });
        let unmapped = self.unmapped().into_iter().map(|(place, kept, dropped, inputs)| {
            Json::object([
                ("place", Json::from(place)),
                ("kept", Json::from(kept as u64)),
                ("dropped", Json::from(dropped as u64)),
                ("inputs", Json::from(inputs as u64)),
            ])
        });
        let pairs = self.pairs.iter().map(|pair| {
            Json::object([
                ("set", Json::from(pair.set.as_str())),
                ("input", Json::from(pair.input.as_str())),
                ("values", pair.values.to_json()),
                ("missed", Json::array(pair.missed.iter().map(|m| Json::from(m.as_str())))),
            ])
        });
        Json::object([
            ("converter", Json::from(self.converter.as_str())),
            ("total", self.total().to_json()),
            ("served", self.served().to_json()),
            (
                "byFormat",
                Json::object(self.formats().into_iter().map(|f| (f.as_str(), self.of_format(f).total().to_json()))),
            ),
            ("byGroup", groups(self.by_group())),
            ("byType", groups(self.by_type())),
            ("bySet", groups(self.by_set())),
            ("bySender", groups(self.by_sender())),
            ("byPackage", groups(self.by_package())),
            ("fhirToHl7v2", self.pairs_total().to_json()),
            ("pairs", Json::array(pairs)),
            ("notConverted", Json::object(self.other_kinds.iter().map(|(k, n)| (k.clone(), Json::from(*n as u64))))),
            ("misses", Json::array(misses)),
            ("unmapped", Json::array(unmapped)),
            ("files", Json::array(self.files.iter().map(file_json))),
        ])
    }

    /// The report as one HTML page that needs nothing else; other converters' reports are set beside it.
    pub fn to_html(&self, others: &[Report]) -> String {
        page::page(self, others)
    }
}

/// Failures and silent losses first, then core facts missed.
pub(super) fn badness(file: &FileScore) -> (usize, usize) {
    let failed = usize::from(file.outcome == Outcome::Panicked)
        + usize::from(!file.deterministic)
        + usize::from(!file.invalid.is_empty())
        + usize::from(!file.unsafe_narratives.is_empty())
        + usize::from(file.as_expected == Some(false))
        + usize::from(file.is_stuffed())
        + (file.honesty.all - file.honesty.found)
        + file.loss.unbalanced;
    let [core, extended, ..] = file.facts;
    (failed, (core.all - core.found) * 100 + (extended.all - extended.found))
}

fn without_counts(src: &str) -> String {
    let mut out = String::with_capacity(src.len());
    let mut depth = 0_usize;
    for c in src.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

fn file_json(file: &FileScore) -> Json {
    let facts =
        Tier::ALL.iter().zip(file.facts).filter(|(_, t)| t.all > 0).map(|(tier, t)| (tier.as_str(), t.to_json()));
    let row = |missed: &Missed| {
        let mut row = vec![
            ("tier", Json::from(missed.tier.as_str())),
            ("src", Json::from(missed.src.as_str())),
            ("resources", Json::array(missed.resources.iter().map(|r| Json::from(r.as_str())))),
        ];
        if !missed.values.is_empty() {
            row.push(("values", Json::array(missed.values.iter().map(|v| Json::from(v.as_str())))));
        }
        Json::object(row)
    };
    let (missed, kept) = (file.missed.iter().map(row), file.kept.iter().map(row));
    let mut row = vec![
        ("format", Json::from(file.format.as_str())),
        ("group", Json::from(file.group)),
        ("set", Json::from(file.set.as_str())),
        ("input", Json::from(file.input.as_str())),
        ("type", Json::from(file.message_type.as_str())),
        ("messages", Json::from(file.messages as u64)),
        ("described", Json::from(file.described)),
        ("outcome", Json::from(file.outcome.as_str())),
    ];
    if let Outcome::Refused(reason) = &file.outcome {
        row.push(("reason", Json::from(reason.as_str())));
    }
    row.extend([
        ("facts", Json::object(facts)),
        ("loss", loss_json(&file.loss)),
        ("roundTrip", Tally { found: file.round_trip.equal, all: file.round_trip.pieces }.to_json()),
        ("deterministic", Json::from(file.deterministic)),
        ("unsafeNarratives", Json::array(file.unsafe_narratives.iter().map(|i| Json::from(i.as_str())))),
        ("invalid", Json::array(file.invalid.iter().map(|i| Json::from(i.as_str())))),
        ("outputLeaves", Json::from(file.output_leaves as u64)),
        ("sender", Json::from(file.sender.as_str())),
        ("package", Json::from(file.package.as_str())),
        ("saidByInputOrTables", file.invention.to_json()),
        ("invented", Json::array(file.invented.iter().map(|place| Json::from(place.as_str())))),
        ("expectedByOthers", Json::object(file.expected.iter().map(|(name, tally)| (name.clone(), tally.to_json())))),
        ("honesty", file.honesty.to_json()),
        ("microseconds", Json::from(file.micros.iter().sum::<u64>())),
    ]);
    if let Some(as_expected) = file.as_expected {
        row.push(("asExpected", Json::from(as_expected)));
    }
    row.push(("missed", Json::array(missed)));
    row.push(("keptOnly", Json::array(kept)));
    Json::object(row)
}
