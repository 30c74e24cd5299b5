//! When an answer is due: pure calendar arithmetic in the controller's time zone.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{RoundMode, Span, Timestamp, TimestampRound, ToSpan as _, Unit, Zoned};

use super::model::Period;
use super::rights::{ResponseTime, TimeUnit};

/// Why a moment cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum DeadlineError {
    /// The time zone is unknown, or a date is out of range.
    #[error("a date cannot be computed")]
    Calendar(#[from] jiff::Error),
    /// The list of limits is empty.
    #[error("the policy gives no response time for this right")]
    NoLimit,
}

/// The earliest of the limits, as the last moment of its day in the controller's time zone.
///
/// Regulation (EEC) 1182/71 Art. 3: the day of the event itself does not count, and a period in months ends on the same
/// day of the month or, where that is missing, on its last day.
pub fn due_at(received_at: Timestamp, time_zone: &str, limits: &[ResponseTime]) -> Result<Timestamp, DeadlineError> {
    let received = received_at.to_zoned(TimeZone::get(time_zone)?);
    let mut earliest: Option<Timestamp> = None;
    for limit in limits {
        let due = end_of_day(&after(&received, limit)?)?;
        earliest = Some(earliest.map_or(due, |so_far| so_far.min(due)));
    }
    earliest.ok_or(DeadlineError::NoLimit)
}

/// A moment moved by a period in the given time zone.
pub fn later(moment: Timestamp, period: Period, time_zone: &str) -> Result<Timestamp, DeadlineError> {
    Ok(moment.to_zoned(TimeZone::get(time_zone)?).checked_add(period.0)?.timestamp())
}

/// A moment moved back by a period in the given time zone.
pub fn earlier(moment: Timestamp, period: Period, time_zone: &str) -> Result<Timestamp, DeadlineError> {
    Ok(moment.to_zoned(TimeZone::get(time_zone)?).checked_sub(period.0)?.timestamp())
}

fn after(received: &Zoned, limit: &ResponseTime) -> Result<Zoned, jiff::Error> {
    let days = i64::from(limit.limit);
    match limit.unit {
        TimeUnit::CalendarDay => received.checked_add(days.days()),
        TimeUnit::CalendarMonth => received.checked_add(Span::new().try_months(days)?),
        TimeUnit::BusinessDay => {
            let mut day = received.clone();
            let mut left = days;
            while left > 0 {
                day = day.checked_add(1.day())?;
                if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
                    left -= 1;
                }
            }
            Ok(day)
        }
    }
}

fn end_of_day(day: &Zoned) -> Result<Timestamp, jiff::Error> {
    // Not the next day's first second, to which its last nanosecond is nearer.
    day.end_of_day()?.timestamp().round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rights::StartEvent;

    fn limit(limit: u16, unit: TimeUnit) -> ResponseTime {
        ResponseTime { limit, unit, from: StartEvent::Receipt, source: String::new() }
    }

    fn due(received: &str, limits: &[ResponseTime]) -> String {
        due_at(received.parse().unwrap(), "Asia/Shanghai", limits).unwrap().to_string()
    }

    #[test]
    fn the_earlier_of_thirty_days_and_fifteen_business_days_wins() {
        let limits = [limit(30, TimeUnit::CalendarDay), limit(15, TimeUnit::BusinessDay)];
        // Sunday 1 November 2026 in Shanghai: fifteen working days end on Friday the 20th.
        assert_eq!(due("2026-11-01T03:00:00Z", &limits), "2026-11-20T15:59:59Z");
        assert_eq!(due("2026-11-01T03:00:00Z", &limits[..1]), "2026-12-01T15:59:59Z");
    }

    #[test]
    fn the_local_day_counts_not_the_utc_day() {
        // 23:30 UTC on the 1st is already the 2nd in Shanghai.
        assert_eq!(due("2026-11-01T23:30:00Z", &[limit(1, TimeUnit::CalendarDay)]), "2026-11-03T15:59:59Z");
    }

    #[test]
    fn a_month_ends_on_its_last_day_where_the_day_is_missing() {
        assert_eq!(due("2026-08-31T03:00:00Z", &[limit(1, TimeUnit::CalendarMonth)]), "2026-09-30T15:59:59Z");
        assert_eq!(due("2026-03-05T03:00:00Z", &[limit(1, TimeUnit::CalendarMonth)]), "2026-04-05T15:59:59Z");
    }
}
