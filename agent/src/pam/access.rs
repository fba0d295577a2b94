//! The rules of pam_access(8): `+` or `-`, users, origins; the first that fits decides, and none admits.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::{NumberedLine, PamFile};
use crate::source;

use super::login::Login;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    No,
    /// A directory service, DNS, or a source that nobody named decides.
    Unsure,
}

/// What the rules say of a login from one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admitted,
    /// File and line.
    Refused(String, u32),
    /// Of which line it is not known whether it fits.
    Unsure(String, u32),
}

pub struct Separators<'a> {
    pub fields: &'a str,
    pub list: &'a str,
}

pub struct Options<'a> {
    pub separators: Separators<'a>,
    /// `nodefgroup`: only `(name)` is a group.
    pub only_marked_groups: bool,
}

struct Rule<'a> {
    admits: bool,
    users: &'a str,
    origins: &'a str,
}

/// strtok(3): separators that follow each other are one.
fn rule<'a>(line: &'a str, separators: &Separators<'_>) -> Option<Rule<'a>> {
    let is_border = |c: char| separators.fields.contains(c);
    let (permission, rest) = line.trim_start_matches(is_border).split_once(is_border)?;
    let (users, origins) = rest.trim_start_matches(is_border).split_once(is_border)?;
    let admits = match permission.chars().next()? {
        '+' => true,
        '-' => false,
        _ => return None,
    };
    (!users.is_empty() && !origins.is_empty()).then_some(Rule { admits, users, origins })
}

pub fn judge(files: &[&PamFile], login: &Login<'_>, address: Option<IpAddr>, options: &Options<'_>) -> Verdict {
    let mut doubt: Option<(bool, Verdict)> = None;
    let lines = files.iter().flat_map(|file| file.lines.known().into_iter().flatten().map(move |line| (file, line)));
    for (file, line) in lines {
        let Some(rule) = rule(line.text.raw(), &options.separators) else { continue };
        let users = list(rule.users, options.separators.list, |token| user(token, login, options));
        let fits = match users {
            Fit::No => Fit::No,
            Fit::Yes => list(rule.origins, options.separators.list, |token| origin(token, address, login)),
            Fit::Unsure => match list(rule.origins, options.separators.list, |token| origin(token, address, login)) {
                Fit::No => Fit::No,
                _ => Fit::Unsure,
            },
        };
        let here = || (file.path.to_string(), line.line);
        match (fits, &doubt) {
            (Fit::No, _) => {}
            (Fit::Yes, Some((admits, doubt))) if *admits != rule.admits => return doubt.clone(),
            (Fit::Yes, _) if rule.admits => return Verdict::Admitted,
            (Fit::Yes, _) => return Verdict::Refused(here().0, here().1),
            (Fit::Unsure, Some((admits, doubt))) if *admits != rule.admits => return doubt.clone(),
            (Fit::Unsure, Some(_)) => {}
            (Fit::Unsure, None) => doubt = Some((rule.admits, Verdict::Unsure(here().0, here().1))),
        }
    }
    // None fits, and that admits.
    match doubt {
        Some((false, doubt)) => doubt,
        _ => Verdict::Admitted,
    }
}

/// Every network that an origin names, for the borders between addresses that are judged differently.
pub fn borders(files: &[&PamFile], options: &Options<'_>) -> Vec<IpNet> {
    let lines = files.iter().flat_map(|file| file.lines.known().into_iter().flatten());
    let of_line = |line: &NumberedLine| -> Vec<IpNet> {
        let Some(rule) = rule(line.text.raw(), &options.separators) else { return Vec::new() };
        tokens(rule.origins, options.separators.list).filter_map(network).collect()
    };
    lines.flat_map(of_line).collect()
}

fn tokens<'a>(list: &'a str, separators: &'a str) -> impl Iterator<Item = &'a str> {
    list.split(|c: char| separators.contains(c)).filter(|token| !token.is_empty())
}

/// `A EXCEPT B EXCEPT C`: in A, unless in B, unless in C.
fn list(list: &str, separators: &str, fits: impl Fn(&str) -> Fit) -> Fit {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for token in tokens(list, separators) {
        if token.eq_ignore_ascii_case("EXCEPT") {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    let any = |part: &Vec<&str>| {
        part.iter().map(|token| fits(token)).fold(Fit::No, |found, fit| match (found, fit) {
            (Fit::Yes, _) | (_, Fit::Yes) => Fit::Yes,
            (Fit::Unsure, _) | (_, Fit::Unsure) => Fit::Unsure,
            _ => Fit::No,
        })
    };
    parts
        .iter()
        .rev()
        .map(any)
        .reduce(|except, part| match (part, except) {
            (Fit::No, _) => Fit::No,
            (part, Fit::No) => part,
            (Fit::Yes, Fit::Yes) => Fit::No,
            (Fit::Unsure, Fit::Yes) => Fit::No,
            (_, Fit::Unsure) => Fit::Unsure,
        })
        .unwrap_or(Fit::No)
}

fn user(token: &str, login: &Login<'_>, options: &Options<'_>) -> Fit {
    let name = login.account.name.raw();
    if let Some(group) = token.strip_prefix('(').and_then(|token| token.strip_suffix(')')) {
        // Newer releases take a number too.
        return if group.is_empty() { Fit::No } else { login.is_in_group(group) };
    }
    let after = token.trim_start_matches('@');
    if let Some((person, _host)) = after.split_once('@') {
        // The host is the instance's own name.
        return match user(person, login, options) {
            Fit::No => Fit::No,
            _ => Fit::Unsure,
        };
    }
    if token.starts_with('@') {
        return Fit::Unsure;
    }
    if token.eq_ignore_ascii_case("ALL") || token.eq_ignore_ascii_case(name) {
        return Fit::Yes;
    }
    if token.parse() == Ok(login.account.uid) {
        // Only newer releases take the number.
        return Fit::Unsure;
    }
    if options.only_marked_groups { Fit::No } else { login.is_in_group(token) }
}

fn origin(token: &str, address: Option<IpAddr>, login: &Login<'_>) -> Fit {
    if token.eq_ignore_ascii_case("ALL") {
        return Fit::Yes;
    }
    // sshd always names the other side, by its address as long as UseDNS is off.
    if token.eq_ignore_ascii_case("LOCAL") || is_terminal(token) || (token.starts_with('.') && !login.uses_dns) {
        return Fit::No;
    }
    match (network(token), address) {
        (Some(network), Some(address)) if network.contains(&address) => Fit::Yes,
        (Some(_), Some(_)) => Fit::No,
        (Some(_), None) => Fit::Unsure,
        (None, _) if token.contains('/') || token.ends_with('.') => Fit::No,
        // A netgroup, or a name that DNS would have to tell.
        (None, _) => Fit::Unsure,
    }
}

/// `192.0.2.`, `192.0.2.0/24`, `192.0.2.0/255.255.255.0`, an address. Bits behind the mask do not count, and a mask of 0 is none
/// (`number_to_netmask`).
fn network(token: &str) -> Option<IpNet> {
    if token.ends_with('.') {
        return source::of_wildcard(&format!("{token}*"));
    }
    let Some((address, mask)) = token.split_once('/') else {
        return token.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let address: IpAddr = address.parse().ok()?;
    let network = match mask.parse::<IpAddr>() {
        Ok(mask) => IpNet::with_netmask(address, mask).ok()?,
        Err(_) => IpNet::new(address, mask.parse().ok()?).ok()?,
    };
    Some(if network.prefix_len() == 0 { IpNet::from(address) } else { network.trunc() })
}

/// Names of terminals and of services that have none: never another machine.
fn is_terminal(token: &str) -> bool {
    let token = token.to_ascii_lowercase();
    token.starts_with(':')
        || ["console", "cron", "crond", "atd", "ssh", "none"].contains(&token.as_str())
        || ["tty", "pts/", "vc/", "hvc"].iter().any(|name| token.starts_with(name))
}
