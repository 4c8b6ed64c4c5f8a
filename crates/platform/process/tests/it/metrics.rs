use rdev_process::metrics::Metrics;

#[test]
fn metrics_are_rendered_in_buckets_with_those_of_the_process() {
    let metrics = Metrics::install().unwrap();
    assert!(Metrics::install().is_err(), "once in a process");
    metrics::counter!("things_total").increment(3);
    metrics::histogram!("work_seconds").record(0.02);
    metrics::histogram!("batch_things").record(20.0);
    let text = metrics.render();
    for line in [
        "things_total 3",
        r#"work_seconds_bucket{le="0.01"} 0"#,
        r#"work_seconds_bucket{le="0.025"} 1"#,
        r#"batch_things_bucket{le="16"} 0"#,
        r#"batch_things_bucket{le="32"} 1"#,
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
    }
}
