//! `/etc/hosts.allow` and `/etc/hosts.deny` (hosts_access(5), hosts_options(5)).

use eic_doctor_proto::Untrusted;

use crate::facts::AccessLine;

use super::{Parsed, text};

/// `daemon list : client list [: option]…`. A line goes on after a backslash at its end. libwrap passes over a last line that no new
/// line ends, and compares all words without regard to case.
pub fn parse_hosts_access(bytes: &[u8]) -> Parsed<Vec<AccessLine>> {
    let mut parsed = Parsed::<Vec<AccessLine>>::default();
    let whole = text(bytes);
    let end = whole.rfind('\n').map_or(0, |at| at + 1);
    let (whole, unended) = whole.split_at_checked(end).unwrap_or_default();
    if !unended.trim().is_empty() && !unended.starts_with('#') {
        parsed.pass_over(unended);
    }
    let mut lines = (1..).zip(whole.lines());
    while let Some((number, first)) = lines.next() {
        let mut line = first.to_owned();
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().map_or("", |(_, more)| more));
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = fields(&line).into_iter();
        match (fields.next(), fields.next()) {
            (Some(daemons), Some(clients)) => parsed.value.push(AccessLine {
                line: number,
                daemons: words(&daemons),
                clients: words(&clients),
                options: fields.map(|option| Untrusted::from(option.trim())).collect(),
            }),
            _ => parsed.pass_over(&line),
        }
    }
    parsed
}

/// Clients that stand in a file of their own: separated as in a client list, a line being no border of its own.
pub fn parse_access_list(bytes: &[u8]) -> Parsed<Vec<Untrusted>> {
    let whole = text(bytes);
    let lines = whole.lines().filter(|line| !line.starts_with('#'));
    Parsed { value: lines.flat_map(words).collect(), not_understood: Vec::new() }
}

/// Split at colons, but neither inside `[2001:db8::/32]` nor after a backslash.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_bracketed = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&':') => {
                if let Some(field) = fields.last_mut() {
                    field.extend(characters.next());
                }
                continue;
            }
            ':' if !is_bracketed => {
                fields.push(String::new());
                continue;
            }
            '[' => is_bracketed = true,
            ']' => is_bracketed = false,
            _ => {}
        }
        if let Some(field) = fields.last_mut() {
            field.push(character);
        }
    }
    fields
}

fn words(list: &str) -> Vec<Untrusted> {
    list.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).map(Untrusted::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_colons_and_not_those_of_an_ipv6_address() {
        let parsed = parse_hosts_access(
            b"# sshd: ALL\nsshd, in.ftpd : [2001:db8::]/32 10.0. EXCEPT \\\n 10.0.1.1 : spawn (echo a\\: b) & : DENY\nALL:ALL\nsshd\n",
        );
        let [first, second] = parsed.value.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((first.line, first.daemons.len(), second.line), (2, 2, 4));
        let clients: Vec<&str> = first.clients.iter().map(Untrusted::raw).collect();
        assert_eq!(clients, ["[2001:db8::]/32", "10.0.", "EXCEPT", "10.0.1.1"]);
        let options: Vec<&str> = first.options.iter().map(Untrusted::raw).collect();
        assert_eq!(options, ["spawn (echo a: b) &", "DENY"]);
        assert_eq!(parsed.not_understood, ["sshd".into()]);
        let unended = parse_hosts_access(b"sshd: ALL: DENY");
        assert_eq!((unended.value.len(), unended.not_understood.len()), (0, 1));
    }
}
