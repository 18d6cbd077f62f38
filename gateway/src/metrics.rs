//! Counters and latencies for operators, in the Prometheus text format (version 0.0.4, "Text-based format").
//!
//! Labels hold route patterns, names from the configuration and codes; never a path, an id or anything of a patient.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Everything this process counts. Clones share the counters.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Families>);

#[derive(Debug, Default)]
struct Families {
    requests: Counters<3>,
    request_time: Histograms,
    exchanges: Counters<2>,
    stage_time: Histograms,
    acknowledgements: Counters<1>,
    deliveries: Counters<2>,
    emergencies: Counters<1>,
    refusals: Counters<1>,
    alarms: Counters<1>,
}

/// A value read at the moment of the report, such as a queue's length.
#[derive(Debug, Clone, Copy)]
pub struct Gauge {
    /// Name without the prefix of the product.
    pub name: &'static str,
    /// One line for the operator.
    pub help: &'static str,
    /// The value.
    pub value: u64,
}

impl Metrics {
    /// An HTTP request was answered. `route` is the pattern of the route table, not the path.
    pub fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.0.requests.add([method, route, status_text(status).as_str()]);
        self.0.request_time.add(route, took);
    }

    /// An exchange reached a state (contract: "Exchange states").
    pub fn exchange(&self, transport: &str, state: &str) {
        self.0.exchanges.add([transport, state]);
    }

    /// A stage of the pipeline took its time.
    pub fn stage(&self, stage: &'static str, took: Duration) {
        self.0.stage_time.add(stage, took);
    }

    /// An acknowledgement was sent (HL7 table 0008).
    pub fn acknowledgement(&self, code: &str) {
        self.0.acknowledgements.add([code]);
    }

    /// A delivery ended as `outcome`. The destination is the configured name.
    pub fn delivery(&self, destination: &str, outcome: &str) {
        self.0.deliveries.add([destination, outcome]);
    }

    /// Something happened on the emergency path: `declared`, `refused`, `summary`, `find`, `journal` …
    pub fn emergency(&self, event: &'static str) {
        self.0.emergencies.add([event]);
    }

    /// A request was turned away before it reached a handler: `shed`, `timeout`, `body`, `panic` …
    pub fn refusal(&self, reason: &'static str) {
        self.0.refusals.add([reason]);
    }

    /// Something an operator must look at.
    pub fn alarm(&self, what: &'static str) {
        self.0.alarms.add([what]);
    }

    /// The report, with the gauges of the moment.
    pub fn render(&self, gauges: &[Gauge]) -> String {
        let mut out = String::with_capacity(8 * 1024);
        let f = &self.0;
        f.requests.render(
            &mut out,
            "http_requests_total",
            "HTTP requests answered, by method, route and status.",
            ["method", "route", "status"],
        );
        f.request_time.render(&mut out, "http_request_seconds", "Time from request to answer, by route.", "route");
        f.exchanges.render(
            &mut out,
            "exchanges_total",
            "Exchanges, by transport and state reached.",
            ["transport", "state"],
        );
        f.stage_time.render(&mut out, "stage_seconds", "Time of each stage of the pipeline.", "stage");
        f.acknowledgements.render(
            &mut out,
            "acknowledgements_total",
            "Acknowledgements sent, by code (HL7 table 0008).",
            ["code"],
        );
        f.deliveries.render(
            &mut out,
            "deliveries_total",
            "Delivery attempts, by destination and outcome.",
            ["destination", "outcome"],
        );
        f.emergencies.render(&mut out, "emergency_total", "Events on the emergency path.", ["event"]);
        f.refusals.render(&mut out, "http_refusals_total", "Requests turned away before a handler.", ["reason"]);
        f.alarms.render(&mut out, "alarms_total", "Conditions an operator must look at.", ["alarm"]);
        for Gauge { name, help, value } in gauges {
            head(&mut out, name, help, "gauge");
            let _ = writeln!(out, "anchorline_{name} {value}");
        }
        out
    }
}

/// A family of counters with `N` labels.
#[derive(Debug)]
struct Counters<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<const N: usize> Counters<N> {
    fn add(&self, labels: [&str; N]) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry(labels.map(str::to_owned)).or_default() += 1;
    }

    fn render(&self, out: &mut String, name: &str, help: &str, labels: [&str; N]) {
        head(out, name, help, "counter");
        for (values, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let pairs: Vec<_> =
                labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
            let _ = writeln!(out, "anchorline_{name}{{{}}} {count}", pairs.join(","));
        }
    }
}

#[derive(Debug, Default)]
struct Histograms(Mutex<BTreeMap<&'static str, Arc<Histogram>>>);

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histograms {
    fn add(&self, label: &'static str, took: Duration) {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default().clone();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for (bucket, bound) in histogram.buckets.iter().zip(BOUNDS) {
            if micros <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        histogram.count.fetch_add(1, Ordering::Relaxed);
        histogram.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn render(&self, out: &mut String, name: &str, help: &str, label: &str) {
        head(out, name, help, "histogram");
        for (value, histogram) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let pair = format!("{label}=\"{}\"", escape(value));
            for (bucket, bound) in histogram.buckets.iter().zip(BOUNDS) {
                let count = bucket.load(Ordering::Relaxed);
                let _ = writeln!(out, "anchorline_{name}_bucket{{{pair},le=\"{}\"}} {count}", seconds(bound));
            }
            let count = histogram.count.load(Ordering::Relaxed);
            let _ = writeln!(out, "anchorline_{name}_bucket{{{pair},le=\"+Inf\"}} {count}");
            let _ = writeln!(out, "anchorline_{name}_count{{{pair}}} {count}");
            let _ =
                writeln!(out, "anchorline_{name}_sum{{{pair}}} {}", seconds(histogram.micros.load(Ordering::Relaxed)));
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP anchorline_{name} {help}\n# TYPE anchorline_{name} {kind}");
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn status_text(status: u16) -> String {
    status.to_string()
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
