//! `GET /metrics`: what is counted anyway, in Prometheus's text format.
//!
//! Nothing is counted for this page alone. It tells how much there is and how long it took, never what: no key, no name of
//! a table, no text that a client made up.

mod engine;
mod keys;
mod tables;

use std::fmt::{Debug, Formatter, Result};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::FrontEnd;
use crate::metrics::HistogramSnapshot;
use crate::redis::instance::Instance;

pub(super) use prometheus_text::CONTENT_TYPE;

/// The upper bounds of the buckets of times: powers of four from a microsecond to four seconds, at which the buckets that
/// are counted end too.
const BOUNDS_NS: [u64; 12] = [
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
    1 << 30,
    1 << 32,
];

const NS_PER_S: f64 = 1e9;

/// The page, as it is now, whole.
pub(super) fn page(
    instance: Arc<Instance>,
    front_end: Arc<FrontEnd>,
) -> std::result::Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Watched { instance, front_end }));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is told about.
struct Watched {
    instance: Arc<Instance>,
    front_end: Arc<FrontEnd>,
}

impl Debug for Watched {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("a server")
    }
}

impl Collector for Watched {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let page = &mut Page(encoder);
        engine::tell(page, self.instance.store().db())?;
        keys::tell(page, &self.instance)?;
        tables::tell(page, &self.front_end)
    }
}

/// The page as it is written. Names are without the `_total` of counters, which comes by itself.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> Result {
        count(&mut self.0.encode_descriptor(name, help, None, MetricType::Counter)?, &value)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A counter for each of these sets of labels.
    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); N], u64)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| count(&mut family.encode_family(&labels)?, &value))
    }

    /// A gauge for each of these labels.
    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); 1], u64)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// How long things took, for each of these labels, where anything was done.
    fn durations(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, String); 1], HistogramSnapshot)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, seen) in values {
            if seen.count() == 0 {
                continue;
            }
            let counts = seen.counts_within(&BOUNDS_NS);
            let buckets: Vec<(f64, u64)> =
                BOUNDS_NS.iter().map(|ns| *ns as f64 / NS_PER_S).zip(counts).collect();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seen.sum_ns() as f64 / NS_PER_S,
                seen.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

fn count(encoder: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> Result {
    encoder.encode_counter::<NoLabelSet, _, f64>(value, None)
}
