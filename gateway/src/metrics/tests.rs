//! What an operator's collector reads.

use super::*;

#[test]
fn counts_by_label_and_escapes_names() {
    let metrics = Metrics::default();
    metrics.delivery("ward \"7\"", "delivered");
    metrics.clone().delivery("ward \"7\"", "delivered");
    let text = metrics.render(&[]);
    assert!(
        text.contains("anchorline_deliveries_total{destination=\"ward \\\"7\\\"\",outcome=\"delivered\"} 2\n"),
        "{text}"
    );
}

#[test]
fn puts_a_latency_into_every_bucket_that_holds_it() {
    let metrics = Metrics::default();
    metrics.stage("map", Duration::from_millis(3));
    let text = metrics.render(&[]);
    for line in [
        "stage_seconds_bucket{stage=\"map\",le=\"0.0025\"} 0",
        "stage_seconds_bucket{stage=\"map\",le=\"0.005\"} 1",
        "stage_seconds_bucket{stage=\"map\",le=\"+Inf\"} 1",
        "stage_seconds_sum{stage=\"map\"} 0.003",
    ] {
        assert!(text.contains(&format!("anchorline_{line}\n")), "{line} not in {text}");
    }
}

#[test]
fn reports_gauges_of_the_moment() {
    let text = Metrics::default().render(&[Gauge { name: "outbox_waiting", help: "Waiting.", value: 7 }]);
    assert!(text.ends_with("# TYPE anchorline_outbox_waiting gauge\nanchorline_outbox_waiting 7\n"), "{text}");
}
