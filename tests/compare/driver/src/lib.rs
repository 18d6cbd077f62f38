//! What the drivers share: run one validation often enough, say the median.

use std::time::{Duration, Instant};

/// Reads and validates each file again and again for a second, after a warm-up, and prints name, median in microseconds
/// and the number of errors that were found.
pub fn measure(files: &[String], mut validate: impl FnMut(&[u8]) -> usize) {
    for file in files {
        let bytes = std::fs::read(file).expect("the file is readable");
        let mut errors = 0;
        let mut took: Vec<Duration> = Vec::new();
        let warm = Instant::now();
        while warm.elapsed() < Duration::from_millis(300) {
            errors = validate(&bytes);
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) || took.len() < 3 {
            let one = Instant::now();
            validate(&bytes);
            took.push(one.elapsed());
        }
        took.sort_unstable();
        let name = file.rsplit('/').next().unwrap_or(file);
        println!("{name}\t{:.1}\t{errors}", took[took.len() / 2].as_secs_f64() * 1e6);
    }
}
