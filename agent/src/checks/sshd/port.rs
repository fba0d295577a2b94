use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Verdict, Via, check};

use crate::checks::{imds, platform};
use crate::connection::{self, Connection};
use crate::facts::{Listener, OsFacts};

check! {
    /// sshd listens on the port that is dialled, and for the address family that is dialled.
    ///
    /// ## Why it matters
    /// A port that nobody listens on answers `Connection refused`. `aws ec2-instance-connect ssh` and the console dial port 22 unless
    /// told otherwise. What counts is where sshd listens now, not what `sshd_config` says: a `Port` that was edited without a
    /// restart, a `-p` on its command line, and above all `ssh.socket`, which decides alone on Ubuntu 22.10 to 23.10 and from
    /// Ubuntu 24.04 on reads `Port` only at `systemctl daemon-reload`. `ListenAddress 127.0.0.1` leaves the instance itself as the
    /// only client. sshd opens one socket for each family: `::` is IPv6 alone.
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// ss -ltnp | grep -e sshd -e systemd
    /// systemctl cat ssh.socket
    /// sshd -T | grep -e ^port -e ^listenaddress -e ^addressfamily
    /// ```
    ///
    /// Without a login: `nc -vz ADDRESS 22` from where the connection comes from; an immediate `refused` is this, silence is the network.
    ///
    /// ## How to mend
    /// Dial the port on which sshd listens (`aws ec2-instance-connect ssh --ssh-port`, `ssh -p`), and let the security group open that
    /// one; or let sshd listen on port 22: `Port 22` in `sshd_config` and a restart of sshd, or `systemctl edit ssh.socket`,
    /// `systemctl daemon-reload` and `systemctl restart ssh.socket`. On RHEL with SELinux other ports than 22 need
    /// `semanage port -a -t ssh_port_t -p tcp PORT`.
    ///
    /// ## References
    /// - sshd_config(5): Port, ListenAddress, AddressFamily
    /// - systemd.socket(5): ListenStream
    /// - AWS CLI Command Reference: ec2-instance-connect ssh
    pub static CHECK: OsFacts = {
        id: "os.sshd.port",
        title: "sshd listens on the port that is dialled",
        needs: ["os.sshd.running"],
        runbook: ["CheckSSHConfigFromOs"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let all = facts.sshd.listeners.present("sshd's listening sockets")?.map_or(&[][..], Vec::as_slice);
    let listeners: Vec<&Listener> = all.iter().filter(|listener| may_be_sshd(listener)).collect();
    let evidence: Vec<Evidence> = listeners.iter().map(|listener| evidence(listener)).collect();
    let on_port: Vec<&Listener> = listeners.iter().copied().filter(|listener| listener.port == attempt.port).collect();
    let connection = Connection::of(attempt, &facts.sshd.addresses, None);
    let reached = |wanted: Reach| {
        on_port.iter().copied().filter(|one| reach(facts, one, attempt, &connection) == wanted).collect::<Vec<_>>()
    };
    if let Some(first) = reached(Reach::Yes).first() {
        let reached = reached(Reach::Yes);
        let Some(listener) = reached.iter().find(|listener| listener.owner.known().is_some()) else {
            let Evidence { seen, at } = self::evidence(first);
            return Err(Verdict::unknown("whether the socket on this port is sshd's could not be seen").seen(seen, at));
        };
        let Evidence { seen, at } = self::evidence(listener);
        return Ok(Verdict::ok(seen, at));
    }
    if let Some(first) = reached(Reach::Perhaps).first() {
        let Evidence { seen, at } = self::evidence(first);
        let why = "which of the instance's addresses the attempt comes in on is not known, and sshd does not listen on all of them";
        return Err(Verdict::unknown(why).seen(seen, at));
    }
    let finding = if on_port.is_empty() {
        // Sockets of unseen processes are not said to be sshd's.
        let own: Vec<&Listener> =
            listeners.iter().copied().filter(|listener| listener.owner.known().is_some()).collect();
        Finding::new(elsewhere(&own, attempt.port), other_port(facts, attempt, &own))
    } else {
        let why = format!("sshd listens on port {}, but not for {}", attempt.port, dialled(attempt, &connection));
        let remedy = Remedy::by_hand(
            "Let sshd listen on every address: take `ListenAddress` and `AddressFamily` out of `sshd_config`, or list the addresses \
             with both families in the socket unit, and restart it",
            "ss -ltn",
        );
        Finding::new(why, remedy)
    };
    Ok(Verdict::fail(finding.with(evidence)))
}

/// Somebody else's socket is no business of ours; an owner that could not be read may be sshd.
fn may_be_sshd(listener: &Listener) -> bool {
    listener.owner.known().is_none_or(|owner| owner.raw().contains("sshd") || owner.raw().contains("systemd"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Yes,
    Perhaps,
    No,
}

/// Whether a connection of this attempt comes out at this socket, as far as the instance can tell.
fn reach(facts: &OsFacts, listener: &Listener, attempt: &Attempt, connection: &Connection) -> Reach {
    let at = listener.address;
    let is_ipv4 = connection::is_ipv4(attempt);
    let yes_if = |it_does: bool| if it_does { Reach::Yes } else { Reach::No };
    if at.is_unspecified() {
        return yes_if(at.is_ipv4() == is_ipv4 || takes_ipv4(facts, listener));
    }
    if at.is_loopback() || at.is_ipv4() != is_ipv4 {
        return Reach::No;
    }
    match connection.to.iter().position(|address| *address == at) {
        Some(0) => Reach::Yes,
        Some(_) => Reach::Perhaps,
        None if !connection.to.is_empty() => Reach::No,
        // The instance's own addresses are not known. A public IPv4 address is translated before it arrives, so only these can be
        // compared.
        None => match attempt.address {
            Some(IpAddr::V4(dialled)) if dialled.is_private() => yes_if(at == IpAddr::V4(dialled)),
            Some(IpAddr::V6(dialled)) => yes_if(at == IpAddr::V6(dialled)),
            Some(IpAddr::V4(_)) | None => Reach::Yes,
        },
    }
}

/// Whether `::` stands for IPv4 too: the kernel says it of each socket, where it is asked for them. Else sshd sets IPV6_V6ONLY, and
/// systemd's sockets do not unless told.
fn takes_ipv4(facts: &OsFacts, listener: &Listener) -> bool {
    match &listener.is_ipv6_only {
        Fact::Known(only) => !only,
        Fact::Absent => false,
        Fact::Unreadable(_) | Fact::NotGathered => {
            let is_told = facts.sshd.socket.known().is_some_and(|unit| unit.is_ipv6_only == Fact::Known(true));
            is_systemd(facts, listener) && !is_told
        }
    }
}

/// sshd keeps the socket that systemd handed over, so either may be its owner.
fn is_systemd(facts: &OsFacts, listener: &Listener) -> bool {
    let is_active = |socket: &crate::facts::SocketUnit| socket.active_state.raw() == "active";
    listener.owner.known().is_some_and(|owner| owner.raw().contains("systemd"))
        || facts.sshd.socket.known().is_some_and(is_active)
}

fn evidence(listener: &Listener) -> Evidence {
    let owner = match &listener.owner {
        Fact::Known(owner) => owner.to_string(),
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => "a process that could not be seen".to_owned(),
    };
    let at = if listener.address.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    Evidence::new(format!("{owner} listens on {}", std::net::SocketAddr::new(listener.address, listener.port)), at)
}

fn elsewhere(listeners: &[&Listener], port: u16) -> String {
    let mut ports: Vec<u16> = listeners.iter().map(|listener| listener.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    match ports.as_slice() {
        [] => format!("nothing of sshd listens on port {port}"),
        [one] => format!("sshd listens on port {one}, not on port {port}"),
        many => format!("sshd listens on ports {}, not on port {port}", many.join(", ")),
    }
}

fn dialled(attempt: &Attempt, connection: &Connection) -> String {
    match (attempt.address, connection.to.first()) {
        (Some(address), Some(local)) if *local != address => format!("{address}, which comes in on {local}"),
        (Some(address), _) => address.to_string(),
        (None, Some(local)) => local.to_string(),
        (None, None) if connection::is_ipv4(attempt) => "IPv4 from outside".to_owned(),
        (None, None) => "IPv6 from outside".to_owned(),
    }
}

/// Restart what listens where its configuration already names the port; else dial the other port; else configure.
fn other_port(facts: &OsFacts, attempt: &Attempt, listeners: &[&Listener]) -> Remedy {
    let port = attempt.port.to_string();
    let verify = "ss -ltn";
    // Also where the files were changed and sshd has not read them since.
    let is_configured = facts
        .sshd
        .config
        .known()
        .map(|config| config.settings.as_slice())
        .into_iter()
        .flatten()
        .any(|setting| setting.keyword.raw() == "port" && setting.values.iter().any(|value| value.raw() == port))
        || facts
            .sshd
            .effective
            .known()
            .and_then(|config| config.keywords.get("port"))
            .is_some_and(|ports| ports.iter().any(|configured| configured.raw() == port));
    let socket = facts.sshd.socket.known().filter(|socket| socket.active_state.raw() == "active");
    // A socket that does not follow `sshd_config` listens where its unit says, however often it is read again.
    let would_follow = socket.is_none_or(|socket| socket.follows_config != Fact::Known(false));
    if is_configured && would_follow {
        let name = match socket.map(|socket| socket.name.raw()) {
            Some("ssh.socket") => "ssh.socket",
            Some("sshd.socket") => "sshd.socket",
            _ => platform::unit(facts),
        };
        let command =
            Command::new("systemctl").arg("daemon-reload").and(Command::new("systemctl").args(["restart", name]));
        let text =
            format!("`sshd_config` already says port {port}: let what listens read it again, as root on the instance");
        return Remedy::by_command(text, &command, verify);
    }
    let where_to = if socket.is_some() { "`systemctl edit ssh.socket`" } else { "`Port` in `sshd_config`" };
    let Some(other) = listeners.iter().find(|listener| !listener.address.is_loopback()).map(|listener| listener.port)
    else {
        return Remedy::by_hand(format!("Let sshd listen on port {port}: {where_to}, then restart it"), verify);
    };
    let text = format!(
        "Connect to port {other} (the security group must open it too), or let sshd listen on port {port}: {where_to}"
    );
    // The console's client dials the port that it is told in the page; no command stands for it.
    match imds::ssh(facts).filter(|_| attempt.via != Via::Browser) {
        Some(ssh) => Remedy::by_command(
            text,
            &ssh.args(["--os-user", attempt.os_user.as_str(), "--ssh-port"]).arg(other.to_string()),
            verify,
        ),
        None => Remedy::by_hand(text, verify),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Untrusted, Verdict, Via};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{Listener, LocalAddress};

    const FAIL: [&str; 1] = ["os.sshd.port fail"];
    const OK: [&str; 0] = [];

    fn listener(address: &str, port: u16, owner: Fact<Untrusted>) -> Listener {
        Listener { address: address.parse().unwrap(), port, owner, is_ipv6_only: Fact::NotGathered }
    }

    fn listens(world: World, address: &str, port: u16, owner: &str) -> Vec<String> {
        changes(world, |facts, _| {
            let owner = Fact::Known(owner.into());
            facts.sshd.listeners = Fact::Known(vec![listener(address, port, owner)]);
        })
    }

    #[test]
    fn another_port_is_one_failure_and_the_remedy_dials_it() {
        let mut world = healthy::al2023();
        for listener in healthy::listeners(&mut world.facts) {
            listener.port = 2222;
        }
        healthy::set_effective(&mut world.facts, "port", "2222");
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.why, "sshd listens on port 2222, not on port 22");
        assert_eq!(finding.evidence.len(), 2);
        let command = "aws ec2-instance-connect ssh --region eu-west-1 --instance-id i-0123456789abcdef0 --os-user ec2-user --ssh-port 2222";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
        world.attempt.via = Via::Browser;
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.remedy.command, None);
    }

    #[test]
    fn a_port_that_is_configured_and_not_yet_listened_on_needs_a_restart() {
        let mut world = healthy::ubuntu_2404();
        for listener in healthy::listeners(&mut world.facts) {
            listener.port = 2222;
        }
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        let command = "systemctl daemon-reload && systemctl restart ssh.socket";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_socket_that_does_not_follow_the_configuration_is_dialled_where_it_listens() {
        let mut world = healthy::ubuntu_2404();
        for listener in healthy::listeners(&mut world.facts) {
            listener.port = 2222;
        }
        let Fact::Known(socket) = &mut world.facts.sshd.socket else { panic!("no socket") };
        socket.follows_config = Fact::Known(false);
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        let command = finding.remedy.command.unwrap();
        assert!(command.ends_with("--os-user ubuntu --ssh-port 2222"), "{command}");
        assert!(finding.remedy.text.ends_with("`systemctl edit ssh.socket`"), "{}", finding.remedy.text);
    }

    #[test]
    fn the_dialled_port_is_what_counts_and_not_22() {
        let changed = changes(healthy::al2023(), |facts, attempt| {
            attempt.port = 2222;
            for listener in healthy::listeners(facts) {
                listener.port = 2222;
            }
        });
        assert_eq!(changed, OK);
    }

    #[test]
    fn sshds_own_ipv6_socket_takes_no_ipv4_and_systemds_does() {
        assert_eq!(listens(healthy::al2023(), "::", 22, "sshd"), FAIL);
        assert_eq!(listens(healthy::ubuntu_2404(), "::", 22, "systemd"), OK);
        assert_eq!(listens(healthy::ubuntu_2404(), "::", 22, "sshd"), OK);
    }

    #[test]
    fn what_the_kernel_says_of_an_ipv6_socket_comes_before_what_the_unit_says() {
        let on = |kernel: Fact<bool>, unit: bool| {
            changes(healthy::ubuntu_2404(), |facts, _| {
                let Fact::Known(socket) = &mut facts.sshd.socket else { panic!("no socket") };
                socket.is_ipv6_only = Fact::Known(unit);
                let mut listener = listener("::", 22, Fact::Known("systemd".into()));
                listener.is_ipv6_only = kernel.clone();
                facts.sshd.listeners = Fact::Known(vec![listener]);
            })
        };
        assert_eq!(on(Fact::Known(true), false), FAIL);
        assert_eq!(on(Fact::Known(false), true), OK);
        assert_eq!(on(Fact::NotGathered, true), FAIL);
        assert_eq!(on(Fact::NotGathered, false), OK);
    }

    #[test]
    fn loopback_alone_reaches_nobody() {
        assert_eq!(listens(healthy::al2023(), "127.0.0.1", 22, "sshd"), FAIL);
    }

    #[test]
    fn an_ipv6_source_needs_an_ipv6_listener() {
        let changed = changes(healthy::al2023(), |facts, attempt| {
            attempt.source = Some("2001:db8::1/128".parse().unwrap());
            healthy::listeners(facts).retain(|listener| listener.address.is_ipv4());
        });
        assert_eq!(changed, FAIL);
    }

    #[test]
    fn a_private_address_must_be_the_one_listened_on_and_a_public_one_cannot_be_compared() {
        let on = |dialled: &str| {
            changes(healthy::al2023(), |facts, attempt| {
                attempt.address = Some(dialled.parse().unwrap());
                facts.sshd.addresses = Fact::NotGathered;
                let owner = Fact::Known("sshd".into());
                facts.sshd.listeners = Fact::Known(vec![listener("10.0.1.5", 22, owner)]);
            })
        };
        assert_eq!(on("10.0.1.5"), OK);
        assert_eq!(on("10.0.2.9"), FAIL);
        assert_eq!(on("198.51.100.20"), OK);
    }

    #[test]
    fn a_public_address_comes_in_on_the_instances_own() {
        let own = |address: &str, interface: &str, metric: Fact<u32>| LocalAddress {
            address: address.parse().unwrap(),
            interface: interface.into(),
            default_route: metric,
            is_device: Fact::Known(interface.starts_with("ens")),
        };
        let on = |listened: &str| {
            changes(healthy::al2023(), |facts, attempt| {
                attempt.address = Some("198.51.100.20".parse().unwrap());
                facts.sshd.addresses = Fact::Known(vec![
                    own("172.17.0.1", "docker0", Fact::Absent),
                    own("10.0.2.9", "ens6", Fact::Absent),
                    own("10.0.1.5", "ens5", Fact::Known(512)),
                ]);
                let owner = Fact::Known("sshd".into());
                facts.sshd.listeners = Fact::Known(vec![listener(listened, 22, owner)]);
            })
        };
        assert_eq!(on("10.0.1.5"), OK);
        assert_eq!(on("172.17.0.1"), FAIL);
        assert_eq!(on("10.0.2.9"), ["os.sshd.port unknown"]);
    }

    #[test]
    fn a_socket_of_an_unseen_process_is_not_taken_for_sshds() {
        let changed = changes(healthy::al2023(), |facts, _| {
            for listener in healthy::listeners(facts) {
                listener.owner = Fact::unreadable("permission denied");
            }
        });
        assert_eq!(changed, ["os.sshd.port unknown"]);
    }

    #[test]
    fn other_ports_of_unseen_processes_are_not_said_to_be_sshds() {
        let mut world = healthy::al2023();
        healthy::set_effective(&mut world.facts, "port", "53");
        for listener in healthy::listeners(&mut world.facts) {
            (listener.port, listener.owner) = (53, Fact::unreadable("permission denied"));
        }
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!((finding.why.as_str(), finding.remedy.command), ("nothing of sshd listens on port 22", None));
    }

    #[test]
    fn another_programs_socket_is_not_sshds() {
        assert_eq!(listens(healthy::al2023(), "0.0.0.0", 22, "dropbear"), FAIL);
    }
}
