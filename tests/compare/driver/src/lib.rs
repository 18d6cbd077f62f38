//! What the drivers share: run one thing often enough, say the median.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Reads each file and runs it again and again for a second (ten seconds among all files), after a warm-up of a third, and
/// prints name, median in microseconds and the number that `run` gives: what was found in it, or made of it.
pub fn measure(files: &[String], mut run: impl FnMut(&[u8]) -> usize) {
    let time = Duration::from_secs(1).min(Duration::from_secs(10) / files.len().max(1) as u32);
    for file in files {
        let bytes = std::fs::read(file).expect("the file is readable");
        repeat(&mut run, &bytes, time / 3, 1);
        let (median, found) = repeat(&mut run, &bytes, time, 3);
        let name = file.rsplit('/').next().unwrap_or(file);
        println!("{name}\t{:.1}\t{found}", median.as_secs_f64() * 1e6);
    }
}

fn repeat(run: &mut impl FnMut(&[u8]) -> usize, bytes: &[u8], time: Duration, at_least: usize) -> (Duration, usize) {
    let (mut took, mut found, start) = (Vec::new(), 0, Instant::now());
    while start.elapsed() < time || took.len() < at_least {
        let one = Instant::now();
        found = black_box(run(black_box(bytes)));
        took.push(one.elapsed());
    }
    took.sort_unstable();
    (took[took.len() / 2], found)
}
