//! One `Match` line against a connection (OpenSSH `servconf.c`, `match_cfg_line`).

use std::net::IpAddr;

use eic_doctor_proto::Fact;
use ipnet::IpNet;

use super::patterns::{self, Holds};
use super::values;
use super::version::Version;
use super::words;
use crate::connection::Connection;

/// Whom a `Match` line is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub connection: &'a Connection,
    /// The OS user's groups; absent when there is no such user.
    pub groups: &'a Fact<Vec<String>>,
    /// sshd looks up the client's name, so that nobody can tell what `Match Host` sees.
    pub looks_up_names: bool,
}

/// Whether the criteria hold; without anybody to ask about, only what is wrong with them.
pub fn holds(rest: &str, version: Version, asked: Option<&Asked<'_>>) -> Result<Holds, String> {
    let mut criteria =
        if version >= Version::REFUSE_CONNECTION { words::split(rest, true) } else { words::split_old(rest, true) }
            .ok_or_else(|| "a quote is not closed".to_owned())?
            .into_iter()
            .take_while(|word| !word.starts_with('#'))
            .peekable();
    let mut result = Holds::Yes;
    let mut count = 0;
    while let Some(word) = criteria.next() {
        count += 1;
        if word.eq_ignore_ascii_case("all") {
            if count > 1 || criteria.peek().is_some() {
                return Err("`all` must stand alone".to_owned());
            }
            return Ok(Holds::Yes);
        }
        if word.eq_ignore_ascii_case("invalid-user") && version >= Version::REFUSE_CONNECTION {
            result = result.and(match asked.map(|asked| asked.groups) {
                Some(Fact::Absent) => Holds::Yes,
                Some(Fact::Known(_)) | None => Holds::No,
                Some(Fact::Unreadable(_) | Fact::NotGathered) => Holds::Perhaps,
            });
            continue;
        }
        let (name, argument) = match word.split_once('=').filter(|_| version >= Version::MATCH_WITH_EQUALS) {
            Some((name, argument)) => (name.to_owned(), Some(argument.to_owned())),
            None => (word, criteria.next()),
        };
        let argument = argument.filter(|argument| !argument.is_empty());
        let argument = argument.ok_or_else(|| format!("`{name}` has no pattern behind it"))?;
        result = result.and(criterion(&name.to_ascii_lowercase(), &argument, version, asked)?);
    }
    if count == 0 {
        return Err("a criterion is missing".to_owned());
    }
    Ok(result)
}

fn criterion(name: &str, argument: &str, version: Version, asked: Option<&Asked<'_>>) -> Result<Holds, String> {
    let yes_if = |it_does: bool| if it_does { Holds::Yes } else { Holds::No };
    Ok(match name {
        "user" => asked.map_or(Holds::No, |asked| yes_if(patterns::list_matches(&asked.connection.os_user, argument))),
        "group" => match asked.map(|asked| asked.groups) {
            Some(Fact::Known(groups)) => {
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                yes_if(patterns::any_matches(&groups, argument))
            }
            Some(Fact::Absent) | None => Holds::No,
            Some(Fact::Unreadable(_) | Fact::NotGathered) => Holds::Perhaps,
        },
        "host" => asked.map_or(Holds::No, |asked| host(asked, argument)),
        "address" | "localaddress" => {
            if let Some(error) = patterns::address_list_error(argument) {
                return Err(error);
            }
            match asked.map(|asked| asked.connection) {
                None => Holds::No,
                Some(connection) if name == "address" => patterns::addresses_match(&connection.from, argument),
                Some(connection) if connection.to.is_empty() => Holds::Perhaps,
                Some(connection) => patterns::addresses_match(&single(&connection.to), argument),
            }
        }
        "localport" => {
            let port = values::port(argument)?;
            asked.map_or(Holds::No, |asked| yes_if(asked.connection.port == port))
        }
        // sshd tells no routing domain for a connection that nothing put into one.
        "rdomain" => Holds::No,
        // The release, `OpenSSH_10.0p2`; all of the major version is what people write.
        "version" if version >= Version::MATCH_WITH_EQUALS => match asked {
            Some(_) => Holds::Perhaps,
            None => Holds::No,
        },
        other => return Err(format!("`{other}` is no criterion of Match")),
    })
}

/// With UseDNS off, sshd takes the address for the name.
fn host(asked: &Asked<'_>, list: &str) -> Holds {
    if asked.looks_up_names {
        return if list == "*" { Holds::Yes } else { Holds::Perhaps };
    }
    // A list of addresses is no list of networks here.
    let is_network = list.contains('/');
    match patterns::addresses_match(&asked.connection.from, list) {
        _ if is_network => Holds::No,
        holds => holds,
    }
}

fn single(addresses: &[IpAddr]) -> Vec<IpNet> {
    addresses.iter().copied().map(IpNet::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eic_doctor_proto::Attempt;

    fn with(rest: &str, version: u16) -> Result<Holds, String> {
        let mut attempt = Attempt::usual();
        attempt.source = Some("203.0.113.7/32".parse().unwrap());
        let connection =
            Connection { to: vec!["10.0.1.5".parse().unwrap()], ..Connection::of(&attempt, &Fact::Absent, None) };
        let groups = Fact::Known(vec!["ec2-user".to_owned(), "wheel".to_owned()]);
        holds(rest, Version(version), Some(&Asked { connection: &connection, groups: &groups, looks_up_names: false }))
    }

    #[test]
    fn all_criteria_of_a_line_must_hold() {
        for rest in [
            "User ec2-user",
            "user root,ec2-* Address 203.0.113.0/24",
            "Group wheel,!docker",
            "LocalAddress 10.0.1.5 LocalPort 22",
            "Host 203.0.113.*",
            "all",
            "ALL # everybody",
            "User=ec2-user",
            "user \"ec2-user\"",
        ] {
            assert_eq!(with(rest, 902), Ok(Holds::Yes), "{rest}");
        }
        for rest in [
            "User root",
            "User ec2-user Address 10.0.0.0/8",
            "Group docker",
            "LocalPort 2222",
            "Host *.example.com",
            "RDomain x",
        ] {
            assert_eq!(with(rest, 902), Ok(Holds::No), "{rest}");
        }
    }

    #[test]
    fn a_line_that_sshd_refuses_is_an_error() {
        for rest in [
            "",
            "User",
            "Users x",
            "all User x",
            "User x all",
            "Address 10.0.0.1/8",
            "LocalPort x",
            "exec /bin/true",
            "invalid-user",
        ] {
            assert!(with(rest, 902).is_err(), "{rest}");
        }
        assert_eq!(with("invalid-user", 909), Ok(Holds::No));
        assert_eq!(with("user=ec2-user", 1000), Ok(Holds::Yes));
        assert!(with("user=ec2-user", 909).is_err());
    }
}
