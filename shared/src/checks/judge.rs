//! What a row says of a check: pure.

use jiff::Timestamp;

use crate::connectors::moment;
use crate::policy::{ChangedRecently, FieldCheck, KnownDevice, Period, deadline};
use crate::record::{Record, Value};

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing: look at the next.
    GoOn,
    /// That settles it.
    Decides,
}

impl Finding {
    fn if_so(decides: bool) -> Self {
        if decides { Self::Decides } else { Self::GoOn }
    }
}

/// Whether something changed just now. What is there and is no moment counts as just now: nobody knows.
pub(super) fn changed(check: &ChangedRecently, row: &Record, now: Timestamp, time_zone: &str) -> Finding {
    let changed = row.values_at(&check.field).into_iter().filter(|value| !is_nothing(value));
    Finding::if_so(changed.into_iter().any(|value| !is_older(value, check.within, now, time_zone)))
}

/// Whether a row says other than it must.
pub(super) fn says(check: &FieldCheck, row: &Record) -> Finding {
    let values: Vec<&Value> = row.values_at(&check.field).into_iter().filter(|value| !is_nothing(value)).collect();
    let is_one_of = |value: &Value, list: &[String]| words(value).is_some_and(|words| list.contains(&words));
    let must_be_there = check.is_set || !check.must_be.is_empty();
    let is_wrong = |value: &&Value| {
        let is_other = !check.must_be.is_empty() && !is_one_of(value, &check.must_be);
        let is_refused = is_one_of(value, &check.must_not_be);
        is_other || is_refused || check.at_most.is_some_and(|most| exceeds(value, most))
    };
    Finding::if_so((must_be_there && values.is_empty()) || values.iter().any(is_wrong))
}

/// Whether a row is of this device, known for as long as is asked.
pub(super) fn device(check: &KnownDevice, row: &Record, device: &str, now: Timestamp, time_zone: &str) -> Finding {
    let is_it = row.values_at(&check.field).into_iter().any(|value| words(value).as_deref() == Some(device));
    let is_old = match (&check.since_field, check.known_for) {
        (Some(since), Some(period)) => {
            row.at(since).is_some_and(|since| !is_nothing(since) && is_older(since, period, now, time_zone))
        }
        _ => true,
    };
    Finding::if_so(is_it && is_old)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn is_older(value: &Value, period: Period, now: Timestamp, time_zone: &str) -> bool {
    let oldest = deadline::earlier(now, period, time_zone).unwrap_or(Timestamp::MIN);
    moment(value).is_some_and(|at| at <= oldest)
}

/// A number that is greater, or what is no number at all.
fn exceeds(value: &Value, most: i64) -> bool {
    let number = words(value).and_then(|digits| digits.trim().parse::<f64>().ok()).filter(|number| number.is_finite());
    // Whole numbers up to 2^53 are exact, and a balance beyond is far from any limit.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let most = most as f64;
    number.is_none_or(|number| number > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str = "Asia/Shanghai";

    fn row(field: &str, value: Value) -> Record {
        [(field.to_owned(), value)].into_iter().collect()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn week() -> Period {
        Period("P7D".parse().unwrap())
    }

    #[test]
    fn a_change_is_recent_until_its_time_is_over_or_if_nobody_can_say_when_it_was() {
        let check = ChangedRecently { field: "at".to_owned(), within: week() };
        let decides = |value: Value| changed(&check, &row("at", value), now(), ZONE) == Finding::Decides;
        assert!(decides(text("2026-11-14T08:00:01Z")));
        assert!(!decides(text("2026-11-14T08:00:00Z")));
        assert!(decides(text("2026-12-01T00:00:00Z")), "a clock that runs ahead");
        assert!(decides(text("last week")));
        assert!(!decides(text("")) && !decides(Value::Null));
        assert!(!decides(Value::Number("1600000000".into())));
        assert_eq!(changed(&check, &Record::default(), now(), ZONE), Finding::GoOn);
    }

    #[test]
    fn a_row_must_be_what_the_policy_says_in_all_of_it() {
        let decides = |check: &FieldCheck, value: Value| says(check, &row("f", value)) == Finding::Decides;
        let field = || FieldCheck { field: "f".to_owned(), ..FieldCheck::default() };
        let must_be = FieldCheck { must_be: vec!["active".into(), "1".into()], ..field() };
        assert!(!decides(&must_be, text("active")) && !decides(&must_be, Value::Number("1".into())));
        assert!(decides(&must_be, text("frozen")) && decides(&must_be, Value::Null) && decides(&must_be, text("")));
        let must_not_be = FieldCheck { must_not_be: vec!["frozen".into(), "true".into()], ..field() };
        assert!(decides(&must_not_be, text("frozen")) && decides(&must_not_be, Value::Bool(true)));
        assert!(!decides(&must_not_be, text("active")) && !decides(&must_not_be, Value::Null));
        assert!(decides(&must_not_be, Value::List(vec![text("active"), text("frozen")])));
        let at_most = FieldCheck { at_most: Some(0), ..field() };
        for (value, wrong) in
            [("0", false), ("-3.5", false), ("0.01", true), ("1E+2", true), ("NaN", true), ("x", true)]
        {
            assert_eq!(decides(&at_most, text(value)), wrong, "{value}");
        }
        assert!(!decides(&at_most, Value::Null));
        let is_set = FieldCheck { is_set: true, ..field() };
        assert!(decides(&is_set, Value::Null) && !decides(&is_set, text("2026-11-21")));
        assert_eq!(says(&is_set, &Record::default()), Finding::Decides);
    }

    #[test]
    fn a_device_is_known_by_its_id_and_for_long_enough() {
        let known = |since: Option<&str>| KnownDevice {
            collection: String::new(),
            field: "id".to_owned(),
            since_field: since.map(ToOwned::to_owned),
            known_for: since.map(|_| week()),
        };
        let mut phone = row("id", text("phone"));
        let is_it = |check: &KnownDevice, row: &Record, id| device(check, row, id, now(), ZONE) == Finding::Decides;
        assert!(is_it(&known(None), &phone, "phone") && !is_it(&known(None), &phone, "Phone"));
        assert!(!is_it(&known(Some("at")), &phone, "phone"), "nobody knows since when");
        phone.set("at", text("2026-11-20T00:00:00Z"));
        assert!(!is_it(&known(Some("at")), &phone, "phone"));
        phone.set("at", text("2026-11-01T00:00:00Z"));
        assert!(is_it(&known(Some("at")), &phone, "phone"));
    }
}
