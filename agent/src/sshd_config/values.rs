//! The value of one line: whether sshd takes it, and how `sshd -T` prints it.

use std::net::IpAddr;

use super::keywords::{Each, Keyword, Kind, Line};
use super::version::Version;
use super::{names, patterns};

/// What a line says after its keyword.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// Without the white space around it.
    pub rest: &'a str,
    pub arguments: &'a [String],
    pub version: Version,
}

/// One string for each line that `sshd -T` prints; or what is wrong.
pub fn read(keyword: &Keyword, written: Written<'_>) -> Result<Vec<String>, String> {
    let missing = || "an argument is missing".to_owned();
    let first = written.arguments.first().filter(|first| !first.is_empty()).map(String::as_str);
    let alone = |shown: String| match written.arguments.get(1) {
        Some(extra) => Err(format!("`{extra}` is one argument too many")),
        None => Ok(vec![shown]),
    };
    let takes_one = |shown: Result<String, String>| alone(shown?);
    match keyword.kind {
        Kind::Flag | Kind::Words(_) => takes_one(word(keyword.words(), first.ok_or_else(missing)?)),
        Kind::Number => takes_one(number(written.arguments.first().map_or("", String::as_str))),
        Kind::Time => takes_one(time(keyword, first.ok_or_else(missing)?)),
        Kind::Text if keyword.name == "rdomain" => Err("routing domains are not to be had on Linux".to_owned()),
        Kind::Text => alone(first.ok_or_else(missing)?.to_owned()),
        Kind::Path => alone(path(first.ok_or_else(missing)?)),
        Kind::Command => command(written.rest),
        Kind::Rest if written.rest.is_empty() => Err(missing()),
        Kind::Rest => Ok(vec![written.rest.to_owned()]),
        Kind::KeyTypes => listed(written, first, names::key_type_error),
        Kind::Ciphers => listed(written, first, names::cipher_error),
        Kind::Macs => listed(written, first, names::mac_error),
        Kind::KeyExchanges => listed(written, first, names::key_exchange_error),
        Kind::Each(each) => self::each(each, written.arguments),
        Kind::Line(line) => self::line(line, written),
        Kind::Port => takes_one(port(first.ok_or_else(missing)?).map(|port| port.to_string())),
        Kind::ListenAddress => listen_address(written.arguments),
        Kind::Startups => takes_one(startups(first.ok_or_else(missing)?)),
        Kind::StartupsOfOne => takes_one(match first.ok_or_else(missing)? {
            "none" => Ok("none".to_owned()),
            limit => number(limit),
        }),
        Kind::NetBlock => takes_one(net_block(first.ok_or_else(missing)?)),
        Kind::QualityOfService => quality_of_service(written.arguments),
        Kind::Rekey => rekey(written.arguments),
        Kind::Subsystem => subsystem(written),
        Kind::UserEnvironment => alone(first.ok_or_else(missing)?.to_owned()),
        Kind::KeyOptions => key_options(written.arguments),
        Kind::Octal => takes_one(octal(first.ok_or_else(missing)?)),
        Kind::LogLevel => takes_one(upper(
            first,
            &["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"],
        )),
        Kind::LogFacility => takes_one(upper(
            first,
            &[
                "DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",
                "LOCAL6", "LOCAL7",
            ],
        )),
        Kind::Digest => takes_one(upper(first, &["MD5", "SHA1", "SHA256", "SHA384", "SHA512"])),
        Kind::Penalties => penalties(written.arguments),
        Kind::AddressList => {
            let list = first.ok_or_else(missing)?;
            patterns::address_list_error(list).map_or_else(|| alone(list.to_owned()), Err)
        }
        Kind::Ignored | Kind::Include | Kind::Match => Ok(Vec::new()),
    }
}

fn word(words: &[(&str, &str)], found: &str) -> Result<String, String> {
    let meant = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(found));
    meant.map(|(_, shown)| (*shown).to_owned()).ok_or_else(|| format!("`{found}` is none of the words that it may be"))
}

fn upper(found: Option<&str>, words: &[&str]) -> Result<String, String> {
    let found = found.unwrap_or_default();
    let meant = words.iter().find(|word| word.eq_ignore_ascii_case(found));
    let meant = meant.ok_or_else(|| format!("`{found}` is none of the words that it may be"))?;
    Ok(if *meant == "DEBUG1" { "DEBUG".to_owned() } else { (*meant).to_owned() })
}

fn number(text: &str) -> Result<String, String> {
    // strtonum(3) of the C library takes white space and a sign before the digits; arguments have no white space.
    match text.parse::<i64>() {
        Ok(number @ 0..=0x7fff_ffff) => Ok(number.to_string()),
        _ => Err(format!("`{text}` is no number from 0 to 2147483647")),
    }
}

fn time(keyword: &Keyword, text: &str) -> Result<String, String> {
    if keyword.name == "unusedconnectiontimeout" && text.eq_ignore_ascii_case("none") {
        return Ok("none".to_owned());
    }
    let seconds = seconds(text).ok_or_else(|| format!("`{text}` is no time"))?;
    let is_none = keyword.name == "unusedconnectiontimeout" && seconds == 0;
    Ok(if is_none { "none".to_owned() } else { seconds.to_string() })
}

/// `1h30m`, `90`, `2M`: sshd_config(5), TIME FORMATS.
pub fn seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at_checked(end)?;
        let number: u32 = digits.parse().ok()?;
        let mut characters = behind.chars();
        let unit = match characters.next() {
            None | Some('s' | 'S') => 1,
            Some('m' | 'M') => 60,
            Some('h' | 'H') => 3_600,
            Some('d' | 'D') => 86_400,
            Some('w' | 'W') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?).filter(|total| i32::try_from(*total).is_ok())?;
        rest = characters.as_str();
    }
    (!text.is_empty()).then_some(total)
}

/// sshd runs in `/`.
fn path(text: &str) -> String {
    if text.eq_ignore_ascii_case("none") {
        "none".to_owned()
    } else if text.starts_with('/')
        || text.starts_with('~')
        || text.eq_ignore_ascii_case("internal")
        || text == "SSH_AUTH_SOCK"
    {
        text.to_owned()
    } else {
        format!("//{text}")
    }
}

fn command(rest: &str) -> Result<Vec<String>, String> {
    if rest.starts_with('/') || rest.eq_ignore_ascii_case("none") {
        Ok(vec![rest.to_owned()])
    } else {
        Err("it must be an absolute path".to_owned())
    }
}

fn listed(
    written: Written<'_>,
    first: Option<&str>,
    error: fn(&str, Version) -> Option<String>,
) -> Result<Vec<String>, String> {
    let list = first.ok_or_else(|| "an argument is missing".to_owned())?;
    match (error(list, written.version), written.arguments.get(1)) {
        (Some(error), _) => Err(error),
        (None, Some(extra)) => Err(format!("`{extra}` is one argument too many")),
        (None, None) => Ok(vec![list.to_owned()]),
    }
}

fn each(each: Each, arguments: &[String]) -> Result<Vec<String>, String> {
    let error = |argument: &String| match each {
        _ if argument.is_empty() => Some("an empty argument".to_owned()),
        Each::Users => argument.split_once('@').and_then(|(_, hosts)| patterns::address_list_error(hosts)),
        Each::Environment if argument.contains('=') => Some(format!("`{argument}` is no name of a variable")),
        Each::Groups | Each::Environment | Each::Path => None,
    };
    if let Some(error) = arguments.iter().find_map(error) {
        return Err(error);
    }
    match (each, arguments) {
        (Each::Path, []) => Err("an argument is missing".to_owned()),
        (Each::Path, [file]) => Ok(vec![path(file)]),
        (Each::Path, [_, extra, ..]) => Err(format!("`{extra}` is one argument too many")),
        _ => Ok(arguments.to_vec()),
    }
}

fn line(line: Line, written: Written<'_>) -> Result<Vec<String>, String> {
    let arguments = written.arguments;
    if arguments.iter().any(String::is_empty) {
        return Err("an empty argument".to_owned());
    }
    let joined = || vec![arguments.join(" ")];
    match line {
        Line::Paths | Line::Plain => Ok(if arguments.is_empty() { Vec::new() } else { joined() }),
        Line::Methods => {
            if arguments.is_empty() {
                return Err("an argument is missing".to_owned());
            }
            if arguments.iter().any(|list| list == "any") && arguments.len() > 1 {
                return Err("`any` must stand alone".to_owned());
            }
            match arguments.iter().find(|list| *list != "any" && methods(list).is_none()) {
                Some(list) => Err(format!("`{list}` names an unknown method")),
                None => Ok(joined()),
            }
        }
        Line::Environment => match arguments.iter().find(|argument| !argument.contains('=')) {
            Some(argument) => Err(format!("`{argument}` sets no variable")),
            None => Ok(arguments.to_vec()),
        },
        Line::Opens | Line::Listens => opens(line, arguments),
        Line::Timeouts => {
            let is_none = arguments.len() == 1 && arguments.iter().any(|one| one.eq_ignore_ascii_case("none"));
            let is_wrong = |one: &&String| {
                one.split_once('=').is_none_or(|(kind, time)| kind.is_empty() || seconds(time).is_none())
            };
            match arguments.iter().find(is_wrong) {
                Some(argument) if !is_none => Err(format!("`{argument}` is no time-out")),
                _ => Ok(if arguments.is_empty() { Vec::new() } else { joined() }),
            }
        }
    }
}

/// The methods of one list of AuthenticationMethods, without their submethods; `None` when sshd knows one of them not.
pub fn methods(list: &str) -> Option<Vec<&str>> {
    let known =
        ["publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic", "gssapi-keyex", "none"];
    let name = |method| -> Option<&str> {
        let name = str::split(method, ':').next()?;
        (known.contains(&name) && name != "none").then_some(name)
    };
    list.split(',').map(name).collect()
}

fn opens(line: Line, arguments: &[String]) -> Result<Vec<String>, String> {
    match arguments {
        [] => Err("an argument is missing".to_owned()),
        [word] if word == "any" || word == "none" => Ok(vec![word.clone()]),
        [word, extra, ..] if word == "any" || word == "none" => Err(format!("`{extra}` is one argument too many")),
        many => {
            let mut shown = Vec::new();
            for one in many {
                let one = if line == Line::Listens && !one.contains(':') { format!("*:{one}") } else { one.clone() };
                let number = one.rsplit_once(':').map(|(_, number)| number).unwrap_or_default();
                if number != "*" && port(number).is_err() {
                    return Err(format!("`{one}` has no port"));
                }
                shown.push(one);
            }
            Ok(vec![shown.join(" ")])
        }
    }
}

/// A number from 1 to 65535, or the name of a service that everybody knows.
pub fn port(text: &str) -> Result<u16, String> {
    match text {
        "ssh" => Ok(22),
        _ => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("`{text}` is no port")),
    }
}

/// As `ADDRESS` or `ADDRESS:PORT`; the ports and what `sshd -T` prints come at the end of the files.
fn listen_address(arguments: &[String]) -> Result<Vec<String>, String> {
    let Some(text) = arguments.first().filter(|first| !first.is_empty()) else {
        return Err("an address is missing".to_owned());
    };
    if arguments.len() > 1 {
        return Err(format!("`{}` is one argument too many", arguments.join(" ")));
    }
    let (address, number) = address_and_port(text);
    if let Some(number) = number {
        port(number)?;
    }
    match address.parse::<IpAddr>() {
        Ok(_) => Ok(vec![text.clone()]),
        Err(_) => Err(format!("{NAME}`{address}`")),
    }
}

/// How an error begins that only a name service can decide.
pub const NAME: &str = "nobody asked who is ";

/// `10.0.0.1:22`, `[::1]:22`, `::1`, `10.0.0.1`.
pub fn address_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, behind)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, behind.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((address, behind)) if !behind.contains(':') => (address, Some(behind)),
        _ => (text, None),
    }
}

fn startups(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not START:RATE:FULL");
    let numbers: Vec<u32> = text.split(':').map_while(|number| number.parse().ok()).collect();
    match (numbers.as_slice(), text.matches(':').count()) {
        ([start, rate @ 1..=100, full], 2) if *start > 0 && start <= full => Ok(format!("{start}:{rate}:{full}")),
        ([start], 0) if *start > 0 => Ok(format!("{start}:30:{start}")),
        _ => Err(wrong()),
    }
}

fn net_block(text: &str) -> Result<String, String> {
    let (four, six) = text.split_once(':').unwrap_or((text, "128"));
    match (four.parse::<u8>(), six.parse::<u8>()) {
        (Ok(four @ 0..=32), Ok(six @ 0..=128)) => Ok(format!("{four}:{six}")),
        _ => Err(format!("`{text}` is not LENGTH:LENGTH")),
    }
}

fn quality_of_service(arguments: &[String]) -> Result<Vec<String>, String> {
    const WORDS: &[&str] = &[
        "af11",
        "af12",
        "af13",
        "af21",
        "af22",
        "af23",
        "af31",
        "af32",
        "af33",
        "af41",
        "af42",
        "af43",
        "cs0",
        "cs1",
        "cs2",
        "cs3",
        "cs4",
        "cs5",
        "cs6",
        "cs7",
        "ef",
        "le",
        "lowdelay",
        "throughput",
        "reliability",
        "none",
    ];
    let word = |text: &String| {
        let number = text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u8::from_str_radix(hex, 16).ok());
        match (WORDS.iter().find(|word| word.eq_ignore_ascii_case(text)), number) {
            (Some(word), _) => Ok((*word).to_owned()),
            (None, Some(number)) => Ok(format!("0x{number:02x}")),
            (None, None) => Err(format!("`{text}` is no quality of service")),
        }
    };
    match arguments {
        [] => Err("an argument is missing".to_owned()),
        [one] => word(one).map(|one| vec![format!("{one} {one}")]),
        [one, two] => Ok(vec![format!("{} {}", word(one)?, word(two)?)]),
        [_, _, extra, ..] => Err(format!("`{extra}` is one argument too many")),
    }
}

fn rekey(arguments: &[String]) -> Result<Vec<String>, String> {
    let Some(amount) = arguments.first().filter(|first| !first.is_empty()) else {
        return Err("an argument is missing".to_owned());
    };
    let bytes = match amount.as_str() {
        "default" => 0,
        amount => scaled(amount)
            .filter(|bytes| *bytes == 0 || *bytes >= 16)
            .ok_or_else(|| format!("`{amount}` is no amount"))?,
    };
    let every = match arguments.get(1).map(String::as_str) {
        None | Some("none") => 0,
        Some(time) => seconds(time).ok_or_else(|| format!("`{time}` is no time"))?,
    };
    match arguments.get(2) {
        Some(extra) => Err(format!("`{extra}` is one argument too many")),
        None => Ok(vec![format!("{bytes} {every}")]),
    }
}

/// scan_scaled(3).
fn scaled(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let shift = match unit {
        "" | "b" | "B" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        "p" | "P" => 50,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn subsystem(written: Written<'_>) -> Result<Vec<String>, String> {
    let quoted = |argument: &String| {
        let is_bare = written.version < Version::SUBSYSTEM || !argument.contains([' ', '\t']);
        if is_bare { argument.clone() } else { format!("\"{argument}\"") }
    };
    match written.arguments {
        [name, command, ..] if !name.is_empty() && !command.is_empty() => {
            Ok(vec![written.arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")])
        }
        _ => Err("a name or a command is missing".to_owned()),
    }
}

fn key_options(arguments: &[String]) -> Result<Vec<String>, String> {
    let known = ["none", "touch-required", "verify-required"];
    if let Some(other) = arguments.iter().find(|option| !known.iter().any(|known| option.eq_ignore_ascii_case(known))) {
        return Err(format!("`{other}` is no option of public keys"));
    }
    let has = |name: &str| arguments.iter().any(|option| option.eq_ignore_ascii_case(name));
    let shown: Vec<&str> = known.into_iter().skip(1).filter(|name| has(name)).collect();
    Ok(vec![if shown.is_empty() { "none".to_owned() } else { shown.join(" ") }])
}

fn octal(text: &str) -> Result<String, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mask @ 0..=0o777) => Ok(format!("0{mask:o}")),
        _ => Err(format!("`{text}` is no mask")),
    }
}

fn penalties(arguments: &[String]) -> Result<Vec<String>, String> {
    const TIMES: &[&str] =
        &["crash", "authfail", "noauth", "grace-exceeded", "refuseconnection", "invaliduser", "max", "min"];
    if arguments.is_empty() {
        return Err("an argument is missing".to_owned());
    }
    for argument in arguments {
        let is_switch = argument.eq_ignore_ascii_case("yes") || argument.eq_ignore_ascii_case("no");
        let is_fine = match argument.split_once(':') {
            None => is_switch && arguments.len() == 1,
            Some(("max-sources4" | "max-sources6", number)) => number.parse::<u32>().is_ok(),
            Some(("overflow" | "overflow6", word)) => matches!(word, "deny-all" | "permissive"),
            Some((name, time)) => TIMES.contains(&name) && seconds(time).is_some(),
        };
        if !is_fine {
            return Err(format!("`{argument}` is no penalty"));
        }
    }
    Ok(vec![arguments.join(" ")])
}

#[cfg(test)]
mod tests;
