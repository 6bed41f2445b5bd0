//! Counters, gauges and latency histograms, cheap enough for every request: relaxed atomics, no lock, no
//! allocation. Reading them is not a moment: sums taken while others count may be apart by what is in flight.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Something that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// How much it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Starts again from 0.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Something that comes and goes.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Sets it.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// How much it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Each power of two is cut into this many buckets of equal width: an error of at most an eighth.
const PER_POWER: u64 = 8;
const PER_POWER_BITS: u32 = PER_POWER.trailing_zeros();

/// The longest time told apart from longer ones: 2^40 ns, some 18 minutes.
const POWERS: u32 = 40;
const BUCKETS: usize = ((POWERS - PER_POWER_BITS + 1) as u64 * PER_POWER) as usize;

/// How often something took how long. After HdrHistogram (Tene), with fixed bounds: 0 to 18 minutes in steps of an
/// eighth, 2.4 KB.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

/// Times below `PER_POWER` have a bucket each; above, the highest bit chooses the power and the bits after it the
/// bucket within.
fn bucket_of(ns: u64) -> usize {
    let power = ns.max(1).ilog2();
    if power < PER_POWER_BITS {
        return ns as usize;
    }
    let within = (ns >> (power - PER_POWER_BITS)) & (PER_POWER - 1);
    let bucket = u64::from(power - PER_POWER_BITS + 1) * PER_POWER + within;
    (bucket as usize).min(BUCKETS - 1)
}

/// The first time that is too long for a bucket.
fn bucket_end_ns(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    if next <= PER_POWER {
        return next;
    }
    let power = next / PER_POWER - 1;
    (PER_POWER + next % PER_POWER) << power
}

impl Histogram {
    /// Counts something that took this long.
    pub fn record_ns(&self, ns: u64) {
        self.buckets[bucket_of(ns)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(ns, Relaxed);
        // Nearly always false, so that the line stays shared between cores.
        if ns > self.max_ns.load(Relaxed) {
            self.max_ns.fetch_max(ns, Relaxed);
        }
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let buckets: Vec<u64> = self.buckets.iter().map(|b| b.load(Relaxed)).collect();
        HistogramSnapshot {
            count: buckets.iter().sum(),
            sum_ns: self.sum_ns.load(Relaxed),
            max_ns: self.max_ns.load(Relaxed),
            buckets,
        }
    }

    /// Forgets everything counted so far.
    pub fn reset(&self) {
        for number in self.buckets.iter().chain([&self.sum_ns, &self.max_ns]) {
            number.store(0, Relaxed);
        }
    }
}

/// A histogram as it was when read.
#[derive(Clone, Debug, Default)]
pub struct HistogramSnapshot {
    buckets: Vec<u64>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl HistogramSnapshot {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Nanoseconds they took together.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The longest, in nanoseconds, exactly.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The mean in nanoseconds; 0 if nothing was counted.
    pub fn mean_ns(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ns as f64 / self.count as f64 }
    }

    /// The time, in nanoseconds, within which the share `part` (0 to 1) of all was done: at most an eighth too
    /// long, never too short. 0 if nothing was counted.
    pub fn quantile_ns(&self, part: f64) -> u64 {
        let rank = ((part * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return (bucket_end_ns(bucket) - 1).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// How many took less than each of these times, and no less than the one before it. Exact for powers of two; the times
    /// ascend, in nanoseconds.
    pub fn counts_within(&self, bounds_ns: &[u64]) -> Vec<u64> {
        let mut counts = vec![0; bounds_ns.len()];
        for (longest_ns, n) in self.buckets() {
            let place = bounds_ns.partition_point(|bound_ns| *bound_ns <= longest_ns);
            if let Some(count) = counts.get_mut(place) {
                *count += n;
            }
        }
        counts
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.buckets.resize(BUCKETS, 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, n)| *sum += n);
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The buckets that are not empty: the longest time of each in nanoseconds, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (bucket_end_ns(i) - 1, *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let mut start = 0;
        for bucket in 0..BUCKETS {
            let end = bucket_end_ns(bucket);
            assert!(end > start && (end - start - 1) * PER_POWER <= end);
            assert_eq!((bucket_of(start), bucket_of(end - 1)), (bucket, bucket));
            start = end;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_never_too_short_and_at_most_an_eighth_too_long() {
        let histogram = Histogram::default();
        for ns in 1..=10_000 {
            histogram.record_ns(ns * 100);
        }
        let seen = histogram.snapshot();
        assert_eq!((seen.count(), seen.max_ns()), (10_000, 1_000_000));
        for (part, exact) in [(0.0, 100), (0.5, 500_000), (0.99, 990_000), (1.0, 1_000_000)] {
            let told = seen.quantile_ns(part);
            assert!((exact..=exact + exact / 8).contains(&told), "{part}: {told}");
        }
        assert!((seen.mean_ns() - 500_050.0).abs() < 1e-6);
        assert_eq!(seen.buckets().map(|(_, n)| n).sum::<u64>(), 10_000);
        histogram.reset();
        assert_eq!(histogram.snapshot().quantile_ns(0.5), 0);
    }

    #[test]
    fn histograms_add_up_and_tell_how_many_took_less_than_a_power_of_two() {
        let mut sum = HistogramSnapshot::default();
        for times in [&[0, 1023, 1024][..], &[5000, 1 << 40]] {
            let histogram = Histogram::default();
            for ns in times {
                histogram.record_ns(*ns);
            }
            sum.add(&histogram.snapshot());
        }
        assert_eq!((sum.count(), sum.max_ns()), (5, 1 << 40));
        assert_eq!(sum.counts_within(&[1 << 10, 1 << 12, 1 << 14]), [2, 1, 1]);
        assert!(sum.counts_within(&[]).is_empty());
    }

    #[test]
    fn counters_and_gauges_count() {
        let (counter, gauge) = (Counter::default(), Gauge::default());
        counter.increment();
        counter.add(4);
        gauge.set(3);
        gauge.add(-5);
        assert_eq!((counter.get(), gauge.get()), (5, -2));
        counter.reset();
        assert_eq!(counter.get(), 0);
    }
}
