//! `/etc/eic-doctor/agent.conf`: lines of `key = value` as TOML writes them, of which it is a subset. No I/O.

use std::path::PathBuf;
use std::time::Duration;

use eic_doctor_proto::{OsUser, visible};

/// Where the file is unless told otherwise.
pub const CONFIGURATION: &str = "/etc/eic-doctor/agent.conf";
pub const STATE_DIRECTORY: &str = "/var/lib/eic-doctor-agent";
/// The port where none is named.
pub const PORT: u16 = 7443;
/// Characters of what is wrong with a value.
const WHY_LIMIT: usize = 300;
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(24 * 3600);

/// What was said, in the file or by flags; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// `HOST`, `HOST:PORT` or `https://HOST:PORT`.
    pub coordinator: Option<Address>,
    pub authorities: Option<PathBuf>,
    pub server_name: Option<String>,
    pub state_directory: Option<PathBuf>,
    pub interval: Option<Duration>,
    pub jitter: Option<u8>,
    pub os_user: Option<OsUser>,
    pub port: Option<u16>,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// Where the coordinator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordinator {
    pub host: String,
    pub port: u16,
    /// What its certificate has to say; the host where nothing else is told.
    pub server_name: String,
}

/// An HTTP proxy that takes CONNECT (RFC 9110, 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    /// `user:password`.
    pub user: Option<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    #[error("line {line}: `{}` is no line of the form `key = value`", visible(.text))]
    NoLine { line: usize, text: String },
    #[error(
        "line {line}: there is no key `{}`; the keys are coordinator, authorities, server_name, state_directory, interval, jitter, \
         os_user, port", visible(.key)
    )]
    UnknownKey { line: usize, key: String },
    #[error("line {line}: `{key}` is there twice")]
    Twice { line: usize, key: String },
    #[error("line {line}: {key}: {why}")]
    Value { line: usize, key: String, why: String },
}

/// The whole file.
pub fn parse_configuration(bytes: &[u8]) -> Result<Configuration, ConfigurationError> {
    let mut found = Configuration::default();
    let text = String::from_utf8_lossy(bytes);
    for (number, text) in text.lines().enumerate() {
        let line = number + 1;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let no_line = || ConfigurationError::NoLine { line, text: text.chars().take(80).collect() };
        let (key, value) = text.split_once('=').ok_or_else(no_line)?;
        let key = key.trim();
        let value = value_of(value.trim()).ok_or_else(no_line)?;
        // A value may be as long as the file.
        let wrong = |why: String| {
            let why = why.chars().take(WHY_LIMIT).collect();
            ConfigurationError::Value { line, key: key.to_owned(), why }
        };
        let was_there = match key {
            "coordinator" => found.coordinator.replace(address(&value).map_err(wrong)?).is_some(),
            "authorities" => found.authorities.replace(path(&value).map_err(wrong)?).is_some(),
            "server_name" => found.server_name.replace(value).is_some(),
            "state_directory" => found.state_directory.replace(path(&value).map_err(wrong)?).is_some(),
            "interval" => found.interval.replace(interval(&value).map_err(wrong)?).is_some(),
            "jitter" => found.jitter.replace(jitter(&value).map_err(wrong)?).is_some(),
            "os_user" => {
                let user = value.parse::<OsUser>().map_err(|error| wrong(error.to_string()))?;
                found.os_user.replace(user).is_some()
            }
            "port" => {
                let port = value.parse().ok().filter(|port| *port > 0);
                found.port.replace(port.ok_or_else(|| wrong("not a port from 1 to 65535".to_owned()))?).is_some()
            }
            _ => return Err(ConfigurationError::UnknownKey { line, key: key.chars().take(80).collect() }),
        };
        if was_there {
            return Err(ConfigurationError::Twice { line, key: key.to_owned() });
        }
    }
    Ok(found)
}

/// Of a file it is not clear what a relative one would be relative to.
fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("not a path from the root, as /etc/eic-doctor".to_owned()) }
}

/// A string in quotes, or a number; a comment may follow.
fn value_of(text: &str) -> Option<String> {
    let (value, rest) = match text.chars().next()? {
        quote @ ('"' | '\'') => text.get(1..)?.split_once(quote)?,
        _ => {
            let value = text.split('#').next()?.trim();
            return (!value.is_empty() && value.chars().all(|c| c.is_ascii_digit())).then(|| value.to_owned());
        }
    };
    let rest = rest.trim();
    // TOML's escapes are not taken: no value needs one.
    ((rest.is_empty() || rest.starts_with('#')) && !value.contains('\\')).then(|| value.to_owned())
}

/// `HOST`, `HOST:PORT`, `[IPV6]:PORT`, each with or without `https://` before it.
pub fn address(text: &str) -> Result<Address, String> {
    let wrong = || format!("`{}` is not HOST or HOST:PORT, as in coordinator.example:{PORT}", visible(text));
    let rest = text.strip_prefix("https://").unwrap_or(text);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, rest)| (host, rest.strip_prefix(':'))).ok_or_else(wrong)?,
        None if rest.matches(':').count() > 1 => (rest, None),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        None => PORT,
    };
    let is_host =
        !host.is_empty() && host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    if is_host { Ok(Address { host: host.to_owned(), port }) } else { Err(wrong()) }
}

/// A whole number of `s`, `m` or `h`.
pub fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration such as \"5m\", from 10s to 24h".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let interval = number.checked_mul(seconds).map(Duration::from_secs);
    interval.filter(|interval| INTERVALS.contains(interval)).ok_or_else(wrong)
}

/// `10%` or `10`.
pub fn jitter(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
    number.filter(|number| *number <= 50).ok_or_else(|| "not a part of the interval from \"0%\" to \"50%\"".to_owned())
}

impl Configuration {
    /// What `self` says, else what the other does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            coordinator: self.coordinator.or(other.coordinator),
            authorities: self.authorities.or(other.authorities),
            server_name: self.server_name.or(other.server_name),
            state_directory: self.state_directory.or(other.state_directory),
            interval: self.interval.or(other.interval),
            jitter: self.jitter.or(other.jitter),
            os_user: self.os_user.or(other.os_user),
            port: self.port.or(other.port),
        }
    }

    /// The coordinator that is named; none: nobody said.
    pub fn named_coordinator(&self) -> Option<Coordinator> {
        let Address { host, port } = self.coordinator.clone()?;
        let server_name = self.server_name.clone().unwrap_or_else(|| host.clone());
        Some(Coordinator { host, port, server_name })
    }
}

/// The proxy for the coordinator, by the usual variables, whose values are given; `NO_PROXY` names hosts, domains or `*`.
pub fn proxy_for(host: &str, https_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Option<Proxy>, String> {
    let Some(proxy) = https_proxy.map(str::trim).filter(|proxy| !proxy.is_empty()) else { return Ok(None) };
    let is_exempt = |word: &str| {
        let word = word.trim();
        let domain = word.strip_prefix('.').unwrap_or(word);
        let is_below = host.len() > domain.len()
            && host.to_ascii_lowercase().ends_with(&format!(".{}", domain.to_ascii_lowercase()));
        word == "*" || (!domain.is_empty() && (host.eq_ignore_ascii_case(domain) || is_below))
    };
    if no_proxy.is_some_and(|words| words.split(',').any(is_exempt)) {
        return Ok(None);
    }
    let wrong = || "HTTPS_PROXY is not of the form http://HOST:PORT; TLS to the proxy itself is not spoken".to_owned();
    let rest = match proxy.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return Err(wrong()),
        None => proxy,
    };
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user.to_owned()), rest));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.chars().all(|c| c.is_ascii_digit()));
    let Address { host, port } = address(rest).map_err(|_| wrong())?;
    // curl's default.
    Ok(Some(Proxy { host, port: if has_port { port } else { 1080 }, user }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_long_value_is_said_shortly() {
        for file in
            [format!("coordinator = \"{}\"", "x/".repeat(5_000)), format!("os_user = \"{}\"", "\u{1b}".repeat(5_000))]
        {
            let told = parse_configuration(file.as_bytes()).unwrap_err().to_string();
            assert!(told.chars().count() < 400, "{} characters", told.chars().count());
        }
    }

    #[test]
    fn a_whole_file_is_read() {
        let file = br#"
# Where the coordinator is.
coordinator = "https://eic.example:8443"
authorities = '/etc/eic-doctor/authorities.pem'   # PEM
server_name = "coordinator"
state_directory = "/var/lib/x"
interval = "5m"
jitter = "20%"
os_user = "ubuntu"
port = 2222 # sshd
"#;
        let found = parse_configuration(file).unwrap();
        assert_eq!(found.coordinator, Some(Address { host: "eic.example".to_owned(), port: 8443 }));
        assert_eq!(found.named_coordinator().unwrap().server_name, "coordinator");
        assert_eq!(found.authorities, Some(PathBuf::from("/etc/eic-doctor/authorities.pem")));
        assert_eq!((found.interval, found.jitter, found.port), (Some(Duration::from_secs(300)), Some(20), Some(2222)));
        assert_eq!(found.os_user.unwrap().as_str(), "ubuntu");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_key() {
        for (file, told) in [
            ("\ncordinator = \"x\"", "line 2: there is no key `cordinator`"),
            ("port = 1\nport = 2", "line 2: `port` is there twice"),
            ("port = 0", "line 1: port: not a port"),
            ("interval = \"1s\"", "line 1: interval: not a duration"),
            ("interval = \"99999999999999999999h\"", "line 1: interval"),
            ("jitter = \"51%\"", "line 1: jitter"),
            ("os_user = \"a b\"", "line 1: os_user"),
            ("authorities = \"ca.pem\"", "line 1: authorities: not a path from the root"),
            ("state_directory = \"\"", "line 1: state_directory: not a path from the root"),
            ("coordinator = \"a b\"", "line 1: coordinator"),
            ("coordinator = eic.example", "line 1: `coordinator = eic.example` is no line"),
            ("coordinator = \"a\" b", "is no line"),
            ("[agent]", "line 1: `[agent]` is no line"),
            ("x\u{1b}[31m", "line 1: `x\\u{1b}[31m` is no line"),
            ("server_name = \"a", "is no line"),
        ] {
            let error = parse_configuration(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{file}: {error}");
        }
        assert!(parse_configuration(&[0xff, b'=', 0xfe]).is_err());
    }

    #[test]
    fn addresses_have_the_forms_that_people_write() {
        let of = |text: &str| address(text).map(|address| (address.host, address.port));
        assert_eq!(of("eic"), Ok(("eic".to_owned(), PORT)));
        assert_eq!(of("10.0.0.7:1"), Ok(("10.0.0.7".to_owned(), 1)));
        assert_eq!(of("https://[fd00::7]:443/"), Ok(("fd00::7".to_owned(), 443)));
        assert_eq!(of("fd00::7"), Ok(("fd00::7".to_owned(), PORT)));
        for bad in ["", ":1", "a:0", "a:b", "http://a", "a/b", "[::1", "a:99999"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_come_before_the_file() {
        let file = Configuration { port: Some(1), jitter: Some(1), ..Configuration::default() };
        let flags = Configuration { port: Some(2), ..Configuration::default() };
        let both = flags.or(file);
        assert_eq!((both.port, both.jitter), (Some(2), Some(1)));
    }

    #[test]
    fn the_usual_variables_name_a_proxy_and_who_needs_none() {
        let of = |no_proxy| proxy_for("eic.corp.example", Some("http://u:p@proxy.corp:3128/"), no_proxy).unwrap();
        let proxy = of(None).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port, proxy.user.as_deref()), ("proxy.corp", 3128, Some("u:p")));
        for exempt in ["*", "a, eic.corp.example", ".corp.example", "corp.example", "EXAMPLE"] {
            assert_eq!(of(Some(exempt)), None, "{exempt}");
        }
        for other in ["", "p.example", "orp.example", ","] {
            assert!(of(Some(other)).is_some(), "{other}");
        }
        assert_eq!(proxy_for("a", None, None), Ok(None));
        assert_eq!(proxy_for("a", Some(" "), None), Ok(None));
        assert_eq!(proxy_for("a", Some("proxy"), None).unwrap().unwrap().port, 1080);
        for bad in ["socks5://a:1", "https://a:1", "http://a b"] {
            assert!(proxy_for("a", Some(bad), None).is_err(), "{bad}");
        }
    }
}
