//! Figures: one table on the screen, one JSON file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) value: f64,
    /// Of what.
    pub(crate) unit: &'static str,
    /// What it is compared with: a peer's figure of the same run, or a limit; in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<f64>,
    /// How many times better than the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
}

/// What a smaller value means.
#[derive(Clone, Copy)]
pub(crate) enum Better {
    /// Seconds, bytes.
    Smaller,
    /// Rows a second.
    Larger,
}

/// All figures, by name.
#[derive(Default)]
pub(crate) struct Report(BTreeMap<String, Figure>);

impl Report {
    /// Adds a figure.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str, baseline: Option<f64>, better: Better) {
        let ratio = baseline.map(|baseline| match better {
            Better::Smaller => baseline / value,
            Better::Larger => value / baseline,
        });
        self.0.insert(name.to_owned(), Figure { value, unit, baseline, ratio });
    }

    /// The table.
    #[must_use]
    pub(crate) fn table(&self) -> String {
        use std::fmt::Write as _;
        let mut table = format!("{:<32} {:>14} {:<8} {:>14} {:>8}\n", "figure", "value", "unit", "baseline", "ratio");
        for (name, figure) in &self.0 {
            let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
            let _ = writeln!(
                table,
                "{name:<32} {:>14.2} {:<8} {:>14} {:>8}",
                figure.value,
                figure.unit,
                optional(figure.baseline),
                optional(figure.ratio)
            );
        }
        table
    }

    /// Writes the JSON file.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(&self.0)?)
    }
}
