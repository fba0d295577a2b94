//! The rules of pam_time(8): services, terminals, users, times. One that fits the login and not the time refuses.

use super::access::Fit;

/// What the time of day is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// 0 is Sunday.
    pub weekday: u8,
    /// Hour times 100 plus minute.
    pub clock: u32,
}

impl Now {
    /// In UTC.
    pub fn of(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // 1970-01-01 was a Thursday.
        let weekday = u8::try_from((days + 4) % 7).unwrap_or(0);
        Self { weekday, clock: u32::try_from(second / 3_600 * 100 + second / 60 % 60).unwrap_or(0) }
    }
}

/// Whether a rule refuses. `now` is `None` where the local time is not known.
pub fn refuses(rule: &str, service: &str, user: &str, now: Option<Now>) -> Fit {
    let fields: Vec<&str> = rule.split(';').map(str::trim).collect();
    let &[services, terminals, users, times] = fields.as_slice() else { return Fit::Unsure };
    // sshd calls the terminal so until there is one.
    for (expression, subject) in [(services, service), (terminals, "ssh"), (users, user)] {
        if expression.starts_with('@') {
            return Fit::Unsure;
        }
        if !logic(expression, |token| is_same(token, subject)) {
            return Fit::No;
        }
    }
    let admits = |now: Now| logic(times, |token| is_in(token, now));
    let refuses = |admits: bool| if admits { Fit::No } else { Fit::Yes };
    match now {
        Some(now) => refuses(admits(now)),
        // A rule may say the same at every minute of the week.
        None => {
            let first = admits(Now { weekday: 0, clock: 0 });
            let week = (0..7).flat_map(|weekday| {
                (0..24).flat_map(move |hour| (0..60).map(move |minute| Now { weekday, clock: hour * 100 + minute }))
            });
            if week.into_iter().all(|now| admits(now) == first) { refuses(first) } else { Fit::Unsure }
        }
    }
}

/// `a|b&!c`, from left to right.
fn logic(expression: &str, fits: impl Fn(&str) -> bool) -> bool {
    let mut value = false;
    let mut operator = '|';
    let mut rest = expression;
    loop {
        let end = rest.find(['|', '&']).unwrap_or(rest.len());
        let (token, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let token = token.trim();
        let found = match token.strip_prefix('!') {
            Some(token) => !fits(token.trim()),
            None => fits(token),
        };
        value = if operator == '&' { value && found } else { value || found };
        let mut characters = after.chars();
        match characters.next() {
            Some(next) => operator = next,
            None => return value,
        }
        rest = characters.as_str();
    }
}

fn is_same(pattern: &str, subject: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => {
            subject.len() >= before.len() + after.len() && subject.starts_with(before) && subject.ends_with(after)
        }
        None => pattern == subject,
    }
}

/// `MoTuWe0800-1700`, `Wk1800-0600`; a day that stands twice does not count.
fn is_in(token: &str, now: Now) -> bool {
    const DAYS: [(&str, u16); 10] = [
        ("su", 0o1),
        ("mo", 0o2),
        ("tu", 0o4),
        ("we", 0o10),
        ("th", 0o20),
        ("fr", 0o40),
        ("sa", 0o100),
        ("wk", 0o76),
        ("wd", 0o101),
        ("al", 0o177),
    ];
    let lower = token.to_ascii_lowercase();
    let mut rest = lower.as_str();
    let mut marked = 0_u16;
    while rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let Some((day, after)) = rest.split_at_checked(2) else { return false };
        let Some((_, bit)) = DAYS.iter().find(|(name, _)| *name == day) else { return false };
        marked ^= bit;
        rest = after;
    }
    let Some((start, end)) = rest.split_once('-') else { return true };
    let (Ok(start), Ok(end)) = (start.parse::<u32>(), end.parse::<u32>()) else { return true };
    let today = 1_u16 << now.weekday;
    if start < end {
        return marked & today != 0 && now.clock >= start && now.clock < end;
    }
    let shifted = marked << 1;
    let following = shifted | u16::from(shifted & 0o200 != 0);
    (marked & today != 0 && now.clock >= start) || (following & today != 0 && now.clock <= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wednesday, 2026-11-25, 10:30 UTC.
    const NOW: u64 = 1_795_602_600;

    #[test]
    fn a_rule_refuses_outside_its_times_and_only_whom_it_is_about() {
        let now = Some(Now::of(NOW));
        for (rule, expected) in [
            ("sshd;*;ec2-user;Al0000-2400", Fit::No),
            ("sshd;*;ec2-user;!Al0000-2400", Fit::Yes),
            ("sshd;*;ec2-user;Wk0800-1700", Fit::No),
            ("sshd;*;ec2-user;Wk1800-0600", Fit::Yes),
            ("sshd;*;ec2-user;TuWe2200-1100", Fit::No),
            ("sshd;*;ec2-user;Wd0000-2400", Fit::Yes),
            ("login & sshd;*;ec2-user;!Al0000-2400", Fit::No),
            ("login|ssh*;*;!root;!Al0000-2400", Fit::Yes),
            ("sshd;tty*;ec2-user;!Al0000-2400", Fit::No),
            ("sshd;*;@staff;!Al0000-2400", Fit::Unsure),
            ("sshd;*", Fit::Unsure),
        ] {
            assert_eq!(refuses(rule, "sshd", "ec2-user", now), expected, "{rule}");
        }
        assert_eq!(refuses("*;*;*;Wk0800-1700", "sshd", "x", None), Fit::Unsure);
        assert_eq!(refuses("*;*;*;Al0000-2400", "sshd", "x", None), Fit::No);
        assert_eq!(refuses("*;*;*;!Al0000-2400", "sshd", "x", None), Fit::Yes);
    }
}
