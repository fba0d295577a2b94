//! The files of proc(5) that tell how busy the system is.

use crate::facts::{Load, Memory};

use super::{Parsed, text};

/// `/proc/meminfo`, or those of its lines that are read.
pub fn parse_meminfo(bytes: &[u8]) -> Parsed<Option<Memory>> {
    let mut parsed = Parsed::<Option<Memory>>::default();
    let (mut total, mut available, mut swap_free) = (None, None, None);
    for line in text(bytes).lines() {
        let value = line.split_once(':').and_then(|(name, value)| {
            let number = value.split_whitespace().next()?.parse::<u64>().ok()?;
            Some((name, number))
        });
        match value {
            Some(("MemTotal", number)) => total = Some(number),
            Some(("MemAvailable", number)) => available = Some(number),
            Some(("SwapFree", number)) => swap_free = Some(number),
            Some(_) => {}
            None => parsed.pass_over(line),
        }
    }
    if let (Some(total), Some(available)) = (total, available) {
        parsed.value = Some(Memory { total, available, swap_free: swap_free.unwrap_or_default() });
    }
    parsed
}

/// `0.20 0.18 0.12 1/80 11206`.
pub fn parse_loadavg(bytes: &[u8]) -> Parsed<Option<Load>> {
    let mut parsed = Parsed::<Option<Load>>::default();
    let shown = text(bytes);
    let mut words = shown.split_whitespace();
    let load = words.next().and_then(hundredths);
    let tasks = words.nth(2).and_then(|tasks| tasks.split_once('/')?.1.parse().ok());
    match (load, tasks) {
        (Some(last_minute), Some(tasks)) => parsed.value = Some(Load { last_minute, tasks }),
        _ => parsed.pass_over(&shown),
    }
    parsed
}

/// `avg10` of the line `some` or `full` of a file below `/proc/pressure`, in hundredths of a percent.
pub fn parse_pressure(bytes: &[u8], kind: &str) -> Parsed<Option<u32>> {
    let mut parsed = Parsed::<Option<u32>>::default();
    for line in text(bytes).lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some(kind) {
            continue;
        }
        match words.find_map(|word| word.strip_prefix("avg10=")).and_then(hundredths) {
            Some(value) => parsed.value = Some(value),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

/// The field `oom_kill` of `/proc/vmstat`; kernels before 4.13 have none.
pub fn parse_oom_kills(bytes: &[u8]) -> Parsed<Option<u64>> {
    let mut parsed = Parsed::<Option<u64>>::default();
    for line in text(bytes).lines() {
        if let Some(value) = line.strip_prefix("oom_kill ") {
            match value.trim().parse() {
                Ok(value) => parsed.value = Some(value),
                Err(_) => parsed.pass_over(line),
            }
        }
    }
    parsed
}

/// How many processors a list such as `0-3,8` names.
pub fn parse_processors(bytes: &[u8]) -> Parsed<Option<u32>> {
    let mut parsed = Parsed::<Option<u32>>::default();
    let shown = text(bytes);
    let mut count: u32 = 0;
    for range in shown.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) if first <= last => count = count.saturating_add((last - first).saturating_add(1)),
            _ => {
                parsed.pass_over(range);
                return parsed;
            }
        }
    }
    parsed.value = Some(count);
    parsed
}

/// The folders below `/sys/fs/cgroup` that count the tasks of a process, from `/proc/PID/cgroup`: of the unified hierarchy, and of
/// the older one of the `pids` controller. A path that leads upwards is none.
pub fn parse_task_groups(bytes: &[u8]) -> Parsed<Vec<String>> {
    let mut parsed = Parsed::<Vec<String>>::default();
    for line in text(bytes).lines() {
        // The path may contain colons.
        let mut fields = line.splitn(3, ':');
        let (Some(_number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            parsed.pass_over(line);
            continue;
        };
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") || parsed.value.len() == 2 {
            continue;
        }
        let path = path.trim_end_matches('/');
        if controllers.is_empty() {
            parsed.value.push(path.to_owned());
        } else if controllers.split(',').any(|controller| controller == "pids") {
            parsed.value.push(format!("/pids{path}"));
        }
    }
    parsed
}

/// `1.5` → 150. No sign, no exponent; more than a million is none.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 1_000_000)?;
    let mut digits = part.chars().map(|digit| digit.to_digit(10));
    let tenths = digits.next().unwrap_or(Some(0))?;
    let rest = digits.next().unwrap_or(Some(0))?;
    Some(whole * 100 + tenths * 10 + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_to_the_hundredth_and_nonsense_is_none() {
        assert_eq!(parse_loadavg(b"12.05 0.18 0.12 1/801 11206\n").value, Some(Load { last_minute: 1205, tasks: 801 }));
        assert_eq!(parse_loadavg(b"0.20\n").value, None);
        let pressure =
            b"some avg10=0.00 avg60=1.50 avg300=0.10 total=9\nfull avg10=37.46 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(parse_pressure(pressure, "full").value, Some(3746));
        assert_eq!(parse_pressure(pressure, "some").value, Some(0));
        assert_eq!(parse_pressure(b"some avg10=nan\n", "some").value, None);
        assert_eq!(hundredths("-1"), None);
        assert_eq!(hundredths("99999999999"), None);
        assert_eq!(hundredths("7"), Some(700));
    }

    #[test]
    fn processors_are_counted_from_their_ranges() {
        assert_eq!(parse_processors(b"0-3,8\n").value, Some(5));
        assert_eq!(parse_processors(b"0\n").value, Some(1));
        assert_eq!(parse_processors(b"3-1\n").value, None);
        assert_eq!(parse_processors(b"0-4294967295\n").value, Some(u32::MAX));
    }

    #[test]
    fn memory_without_its_two_figures_is_none() {
        let whole = b"MemTotal:  2048 kB\nMemFree: 10 kB\nMemAvailable:  512 kB\nSwapFree: 4 kB\n";
        assert_eq!(parse_meminfo(whole).value, Some(Memory { total: 2048, available: 512, swap_free: 4 }));
        assert_eq!(parse_meminfo(b"MemTotal: 2048 kB\n").value, None);
    }

    #[test]
    fn the_groups_of_both_hierarchies_are_found_and_none_leads_upwards() {
        let groups = parse_task_groups(b"4:pids:/system.slice/sshd.service\n1:name=systemd:/x\n0::/a:b/\n").value;
        assert_eq!(groups, ["/pids/system.slice/sshd.service", "/a:b"]);
        assert_eq!(parse_task_groups(b"0::/../../etc\n").value, [""; 0]);
    }
}
