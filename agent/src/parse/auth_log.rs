//! Lines of `/var/log/auth.log` and `/var/log/secure`, and those of `journalctl -o short-unix`.
//!
//! ```text
//! Nov 24 17:03:56 host sshd[12]: …                        RFC 3164: local time, no year
//! 2026-11-24T17:03:56.123456+00:00 host sshd[12]: …       rsyslog's own
//! <86>1 2026-11-24T17:03:56Z host sshd 12 - - …           RFC 5424
//! 1795540018.133901 host sshd[12]: …                      journalctl
//! ```

use crate::facts::LogLine;

use super::{Parsed, text};

const DAY: i64 = 86_400;
/// Local times differ from UTC by multiples of it.
const QUARTER: i64 = 900;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// sshd's messages have at most 1,024 characters, and what is of use stands at the beginning.
const MESSAGE: usize = 400;

/// The lines whose program `is_wanted`, in the order of the file.
///
/// `modified`, when the file was last written to, is the time of its last line: by that, times without year and zone are placed.
pub fn parse_auth_log(bytes: &[u8], modified: u64, is_wanted: impl Fn(&str) -> bool) -> Parsed<Vec<LogLine>> {
    let mut parsed = Parsed::<Vec<LogLine>>::default();
    let shown = text(bytes);
    let modified = i64::try_from(modified).unwrap_or_default();
    // Found by the last line with a local time, whatever wrote it.
    let offset = shown.lines().rev().find_map(|line| match stamp(line, modified)?.0 {
        Stamp::Local(at) => Some(offset(at, modified)),
        Stamp::Exact(_) => None,
    });
    for line in shown.lines() {
        let Some((stamp, rest)) = stamp(line, modified) else {
            if !line.trim().is_empty() {
                parsed.pass_over(line);
            }
            continue;
        };
        let Some((program, pid, message)) = sender(rest, line.starts_with('<')) else {
            parsed.pass_over(line);
            continue;
        };
        if !is_wanted(program) {
            continue;
        }
        let at = match stamp {
            Stamp::Exact(at) => at,
            Stamp::Local(at) => at - offset.unwrap_or_default(),
        };
        // rsyslog's summary of a line that came again.
        let repeated = message.strip_prefix("message repeated ").and_then(|message| message.split_once(" times: ["));
        let message = repeated.map_or(message, |(_, message)| message.trim_end_matches(']').trim());
        parsed.value.push(LogLine {
            at: u64::try_from(at).unwrap_or_default(),
            program: program.into(),
            pid,
            message: message.chars().take(MESSAGE).collect::<String>().into(),
        });
    }
    parsed
}

#[derive(Clone, Copy)]
enum Stamp {
    /// Seconds since 1970.
    Exact(i64),
    /// Likewise, had it been UTC.
    Local(i64),
}

/// The time of a line, and what follows it.
fn stamp(line: &str, modified: i64) -> Option<(Stamp, &str)> {
    // RFC 5424: priority and version before the time.
    let line = match line.strip_prefix('<').and_then(|line| line.split_once(">1 ")) {
        Some((_, line)) => line,
        None => line,
    };
    let (first, rest) = line.split_once(' ')?;
    if let Some(month) = MONTHS.iter().position(|month| *month == first) {
        let (day, rest) = rest.trim_start().split_once(' ')?;
        let (time, rest) = rest.split_once(' ')?;
        let (day, second) = (day.parse().ok()?, second_of_day(time)?);
        return Some((Stamp::Local(nearest_year(month, day, second, modified)?), rest));
    }
    if let Some((date, time)) = first.split_once('T') {
        return Some((Stamp::Exact(exact(date, time)?), rest));
    }
    let whole = first.split('.').next()?;
    Some((Stamp::Exact(whole.parse().ok().filter(|_| first.bytes().all(|b| b.is_ascii_digit() || b == b'.'))?), rest))
}

/// `host sshd[12]: text`, or of RFC 5424 `host sshd 12 - - text`.
fn sender(rest: &str, is_5424: bool) -> Option<(&str, u32, &str)> {
    let (_host, rest) = rest.split_once(' ')?;
    if is_5424 {
        let mut fields = rest.splitn(4, ' ');
        let (program, pid, _id, rest) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let message = match rest.strip_prefix("- ") {
            Some(message) => message,
            None => rest.split_once("] ")?.1,
        };
        return Some((program, pid.parse().unwrap_or_default(), message.trim_start().trim_start_matches('\u{feff}')));
    }
    let (tag, message) = rest.split_once(": ").or_else(|| Some((rest.strip_suffix(':')?, "")))?;
    let (program, pid) = match tag.strip_suffix(']').and_then(|tag| tag.rsplit_once('[')) {
        Some((program, pid)) => (program, pid.parse().unwrap_or_default()),
        None => (tag, 0),
    };
    (!program.is_empty() && !program.contains(' ')).then_some((program, pid, message))
}

/// `2026-11-24` and `17:03:56.123456+01:00`, `17:03:56Z`.
fn exact(date: &str, time: &str) -> Option<i64> {
    let mut numbers = date.splitn(3, '-').map(|number| number.parse::<i64>().ok());
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let month = usize::try_from(month - 1).ok()?;
    let (clock, zone) = match time.find(['+', '-', 'Z']) {
        Some(place) => time.split_at(place),
        None => (time, "Z"),
    };
    let seconds = days(year, month, day)? * DAY + second_of_day(clock)?;
    let mut zone_numbers = zone.get(1..)?.splitn(2, ':').map(|number| number.parse::<i64>().ok());
    let ahead = match (zone_numbers.next().flatten(), zone_numbers.next().flatten()) {
        (Some(hours), Some(minutes)) if hours <= 24 && minutes < 60 => hours * 3_600 + minutes * 60,
        _ => 0,
    };
    Some(if zone.starts_with('-') { seconds + ahead } else { seconds - ahead })
}

/// `17:03:56`, with or without a fraction.
fn second_of_day(time: &str) -> Option<i64> {
    let whole = time.split(['.', ',']).next()?;
    let mut numbers = whole.splitn(3, ':').map(|number| number.parse::<i64>().ok());
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    is_time.then(|| hour * 3_600 + minute * 60 + second)
}

/// The year for which the time is nearest to that of the file.
fn nearest_year(month: usize, day: i64, second: i64, modified: i64) -> Option<i64> {
    // 365.2425 days.
    let year = 1970 + modified / 31_556_952;
    let candidates =
        [year - 1, year, year + 1].into_iter().filter_map(|year| Some(days(year, month, day)? * DAY + second));
    candidates.min_by_key(|at| (at - modified).abs())
}

/// Days since 1970-01-01, months from 0; `None` for a date that no calendar has.
fn days(year: i64, month: usize, day: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - 477;
    Some((year - 1970) * 365 + leaps + BEFORE.get(month)? + i64::from(is_leap && month > 1) + day - 1)
}

/// How far local time is ahead of UTC, when the local time of `modified` is `at`.
fn offset(at: i64, modified: i64) -> i64 {
    let ahead = at - modified;
    let rounded = (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    // A copied log has another file's time: better its own times than wrong ones.
    if rounded.abs() <= 14 * 3_600 { rounded } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 17:04:10 UTC.
    const MODIFIED: u64 = 1_795_539_850;

    fn times(log: &str, modified: u64) -> Vec<u64> {
        parse_auth_log(log.as_bytes(), modified, |_| true).value.into_iter().map(|line| line.at).collect()
    }

    #[test]
    fn each_form_of_a_line_tells_the_same() {
        for line in [
            "Nov 24 17:04:10 host sshd[12]: Server listening",
            "2026-11-24T17:04:10.123456+00:00 host sshd[12]: Server listening",
            "2026-11-24T12:04:10.123456-05:00 host sshd[12]: Server listening",
            "<86>1 2026-11-24T17:04:10Z host sshd 12 - - Server listening",
            "<86>1 2026-11-24T17:04:10Z host sshd 12 x [a b=\"c\"] Server listening",
            "1795539850.133901 host sshd[12]: Server listening",
            "Nov 24 17:04:10 host sshd[12]: message repeated 2 times: [ Server listening]",
        ] {
            let parsed = parse_auth_log(line.as_bytes(), MODIFIED, |program| program == "sshd");
            let expected =
                LogLine { at: MODIFIED, program: "sshd".into(), pid: 12, message: "Server listening".into() };
            assert_eq!((parsed.value, parsed.not_understood), (vec![expected], vec![]), "{line}");
        }
    }

    #[test]
    fn local_times_without_a_year_are_placed_by_the_time_of_the_file() {
        // India: five and a half hours ahead; the last line is cron's, and the file's time is a second later.
        let log = "Nov 24 22:20:00 h sshd[1]: a\nNov 24 22:34:09 h CRON[2]: b\n";
        assert_eq!(times(log, MODIFIED), [MODIFIED - 850, MODIFIED - 1]);
        // 2027-01-01 00:00:30 UTC.
        assert_eq!(
            times("Dec 31 23:59:50 h sshd[1]: a\nJan  1 00:00:30 h sshd[1]: b\n", 1_798_761_630),
            [1_798_761_590, 1_798_761_630]
        );
        // 2028-03-01 00:00:05 UTC, a leap year.
        assert_eq!(
            times("Feb 29 23:59:55 h s: a\nMar  1 00:00:05 h s: b\n", 1_835_481_605),
            [1_835_481_595, 1_835_481_605]
        );
    }

    #[test]
    fn other_programs_are_passed_over_in_silence_and_nonsense_is_told() {
        let log = "Nov 24 17:04:10 host su: x\n\u{1b}[31m\nNov 99 17:04:10 host sshd[1]: y\nNov 24 17:04:10 host sshd\n\
            Nov 24 9223372036854775807:00:00 host sshd[1]: z\n";
        let parsed = parse_auth_log(log.as_bytes(), MODIFIED, |program| program == "sshd");
        assert_eq!((parsed.value.len(), parsed.not_understood.len()), (0, 4));
    }
}
