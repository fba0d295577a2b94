//! What stays the same in a text from one run to the next: names, ids, addresses, ports, modes and a file's line do, since only a change
//! moves them; times, durations, sizes, process ids and counters do not.

use std::net::{IpAddr, SocketAddr};

/// Between words. `[` is one, so that a process id stands by itself in `sshd[812]`.
const SEPARATORS: [char; 18] =
    [' ', '\t', ',', ';', '(', ')', '[', ']', '{', '}', '"', '\'', '`', '=', '<', '>', '|', '+'];

/// What a number after one of these words means does not change by itself.
const NAMED: [&str; 29] = [
    "port", "ports", "rule", "entry", "number", "uid", "gid", "mode", "line", "protocol", "code", "priority",
    "version", "table", "status", "errno", "exit", "account", "metric", "mark", "level", "type", "openssl", "openssh",
    "http", "ca", "dport", "sport", "chmod",
];

const UNITS: [&str; 35] = [
    "", "%", "second", "minute", "hour", "day", "s", "ms", "us", "µs", "ns", "m", "min", "h", "d", "w", "x", "b", "k",
    "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib", "sec", "secs", "seconds", "mins", "minutes", "hours", "days",
    "ppm",
];

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `text` with a `#` for each word that may differ though nothing has changed.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The words before, the newest first.
    let mut before = [""; 3];
    let mut is_count = false;
    for piece in text.split_inclusive(SEPARATORS) {
        let word = piece.trim_end_matches(SEPARATORS);
        let bare = word.trim_end_matches(['.', ':', '!', '?']);
        if bare.is_empty() {
            out.push_str(piece);
            continue;
        }
        let counts = std::mem::replace(&mut is_count, changes_by_itself(bare, before));
        if is_count || (counts && UNITS.contains(&bare.to_ascii_lowercase().as_str())) {
            out.push('#');
        } else if bare.contains("/proc/") {
            out.push_str(&without_process_ids(bare));
        } else if counts {
            // `1 rule read`, `3 rules read`
            out.push_str(bare.strip_suffix('s').unwrap_or(bare));
        } else {
            out.push_str(bare);
        }
        // What follows the word is no part of it.
        out.push_str(piece.strip_prefix(bare).unwrap_or_default());
        before = [bare, before[0], before[1]];
    }
    out
}

fn changes_by_itself(word: &str, before: [&str; 3]) -> bool {
    if !word.contains(|c: char| c.is_ascii_digit()) {
        return MONTHS.contains(&word);
    }
    if is_time(word) || is_uuid(word) {
        return true;
    }
    if is_address(word) {
        return false;
    }
    let number = word.trim_start_matches(['-', '~', '≤', '≥', '<', '>']);
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return false;
    }
    let (_, rest) = number.split_at_checked(digits).unwrap_or((number, ""));
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    if rest.strip_prefix('/').is_some_and(|of| of.bytes().all(|byte| byte.is_ascii_digit())) {
        return true;
    }
    if !UNITS.contains(&rest.to_ascii_lowercase().as_str()) {
        return false;
    }
    let bare = rest.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // Permissions are written with a leading zero.
    let octal = bare && number.len() >= 4 && number.starts_with('0');
    !(octal || is_named(before))
}

/// `port 22`, `MaxAuthTries 3`, `MaxAuthTries is 3`; but not the port that somebody came from, as sshd writes it: `from 203.0.113.7 port
/// 51234`, `user a 203.0.113.7 port 51234`.
fn is_named(before: [&str; 3]) -> bool {
    let [last, address, from] = before;
    let lower = last.to_ascii_lowercase();
    if lower == "port" && is_address(address) {
        return matches!(from, "on" | "at" | "to");
    }
    let is_keyword = |word: &str| {
        // `KiB` is spelt as a keyword is.
        word.chars().skip(1).any(|c| c.is_ascii_uppercase())
            && word.chars().any(|c| c.is_ascii_lowercase())
            && !UNITS.contains(&word.to_ascii_lowercase().as_str())
    };
    NAMED.contains(&lower.as_str()) || is_keyword(last) || (matches!(last, "is" | "of" | "to") && is_keyword(address))
}

/// `13:20`, `13:20:34.5`, `2026-11-28`, `2026-11-28T13:20:34Z`, `20261128T132034Z`.
fn is_time(word: &str) -> bool {
    let is_digits = |text: &str, long: usize| text.len() == long && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = |text: &str| {
        let mut parts = text.split('-');
        let day = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
        parts.next().is_none() && is_digits(day[0], 4) && is_digits(day[1], 2) && is_digits(day[2], 2)
    };
    let is_clock = |text: &str| {
        let text = text.trim_end_matches('Z');
        let text = text.split_once('.').map_or(text, |(whole, _)| whole);
        let mut parts = text.split(':').peekable();
        let many = text.split(':').count();
        parts.peek().is_some_and(|hour| matches!(hour.len(), 1 | 2))
            && matches!(many, 2 | 3)
            && parts.all(|part| is_digits(part, part.len()) && matches!(part.len(), 1 | 2))
            && text.bytes().next_back().is_some_and(|byte| byte.is_ascii_digit())
    };
    if is_date(word) || is_clock(word) {
        return true;
    }
    let Some((day, clock)) = word.split_once('T') else { return false };
    // A zone's minutes may follow.
    let clock = clock.rsplit_once('-').map_or(clock, |(clock, _)| clock);
    (is_date(day) && is_clock(clock)) || (is_digits(day, 8) && is_digits(clock.trim_end_matches('Z'), 6))
}

/// The ids of AWS's requests and events are; no id of a thing is.
fn is_uuid(word: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = word.split('-');
    lengths.iter().all(|long| {
        parts.next().is_some_and(|part| part.len() == *long && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }) && parts.next().is_none()
}

fn is_address(word: &str) -> bool {
    let net = word.split_once('/').map_or(word, |(address, _)| address);
    net.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok()
}

fn without_process_ids(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) { "#" } else { part })
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_by_itself_is_masked() {
        let cases = [
            ("up 12 s, 3.5%, 250ms and 4 GiB", "up # #, #, # and # #"),
            ("at 13:20:34 on 2026-11-28", "at # on #"),
            ("2026-11-28T13:20:34Z sshd[812]", "# sshd[#]"),
            ("2026-11-28T13:20:34.123456+00:00", "#+#"),
            ("Nov 28 13:20:34", "# # #"),
            ("20261128T132034Z", "#"),
            ("pid 812, /proc/812/cmdline", "pid #, /proc/#/cmdline"),
            ("57 of 512 tasks, 3/10", "# of # task, #"),
            ("full avg10=0.35", "full avg10=#"),
            ("0 KiB of 8 GiB are left", "# # of # # are left"),
            ("request 0f8fad5b-d9cb-469f-a165-70867728950e", "request #"),
            (
                "Failed publickey for a from 203.0.113.7 port 51234 ssh2",
                "Failed publickey for a from 203.0.113.7 port # ssh2",
            ),
            ("by user a 203.0.113.7 port 51234", "by user a 203.0.113.7 port #"),
            ("(3 rules read).", "(# rule read)."),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_a_thing_of_its_own_stays() {
        let same = [
            "sg-0a1b2c3d has no inbound rule for tcp/22 from 203.0.113.7/32",
            "entry 100 denies 22-22 of 2001:db8::/32",
            "sshd listens on [::]:2222 and 0.0.0.0:22",
            "Port 2222",
            "MaxAuthTries 3",
            "MaxAuthTries is 0",
            "Server listening on 0.0.0.0 port 2222",
            "HTTP 403",
            "Amazon Root CA 1",
            "tcp dport 22 accept",
            "mode 0644, owner uid 0, and 0600",
            "/etc/ssh/sshd_config:13",
            "ec2-instance-connect 1.1.17-1, OpenSSH_8.7p1",
            "SHA256:47DEQpj8HBSa",
            "arn:aws:iam::111122223333:role/x",
            "account 111122223333",
            "exit status 255",
            "ami-0123456789abcdef0 in eu-west-1a",
        ];
        for text in same {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn hostile_texts_are_taken_whole() {
        for text in
            ["", " ", "::::", "\u{202e}12", "9".repeat(5000).as_str(), "é12é", "-", "12\u{0}34", "T", "1T2", "🦀🦀 1🦀"]
        {
            let once = masked(text);
            assert_eq!(masked(&once), once, "{text:?}");
        }
    }
}
