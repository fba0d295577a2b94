//! The connection that an attempt becomes at sshd: from which addresses, to which of the machine's own, to which port. Pure.
//!
//! sshd never sees a public IPv4 address: it is translated to a private one on the way in (EC2 User Guide, "Amazon EC2 instance IP
//! addressing").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eic_doctor_proto::{Attempt, Fact};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::facts::LocalAddress;
use crate::source;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub os_user: String,
    /// Not empty.
    pub from: Vec<IpNet>,
    /// Nobody said where the connection comes from: `from` is every address of the family.
    pub is_from_anywhere: bool,
    /// Those of the machine's own addresses that it may come in on, the likeliest first; empty when they are not known or none fits.
    pub to: Vec<IpAddr>,
    pub port: u16,
}

/// An address that nobody has (RFC 5737, RFC 3849), for where one must be named.
const NOBODY_4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const NOBODY_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

impl Connection {
    /// `region` is asked for only by the console's client, which connects from that Region's published range.
    pub fn of(attempt: &Attempt, addresses: &Fact<Vec<LocalAddress>>, region: Option<&str>) -> Self {
        let named = source::nets(attempt, region);
        let anywhere = if is_ipv4(attempt) { IpNet::V4(Ipv4Net::default()) } else { IpNet::V6(Ipv6Net::default()) };
        Self {
            os_user: attempt.os_user.to_string(),
            is_from_anywhere: named.is_none(),
            from: named.unwrap_or_else(|| vec![anywhere]),
            to: addresses.known().map_or_else(Vec::new, |addresses| comes_in_on(attempt, addresses)),
            port: attempt.port,
        }
    }

    /// One address that the connection may come from.
    pub fn source(&self) -> IpAddr {
        match self.from.first() {
            Some(net) if !self.is_from_anywhere => net.addr(),
            Some(IpNet::V6(_)) => NOBODY_6,
            Some(IpNet::V4(_)) | None => NOBODY_4,
        }
    }

    /// The address that it most likely comes in on; loopback where none is known.
    pub fn local(&self) -> IpAddr {
        self.to.first().copied().unwrap_or_else(|| match self.source() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        })
    }

    /// For `sshd -C`: one connection of those that this may be. sshd gives `Match Host` the address itself as long as UseDNS is off,
    /// as it is by default.
    pub fn specification(&self) -> String {
        let source = self.source();
        format!("user={},host={source},addr={source},laddr={},lport={}", self.os_user, self.local(), self.port)
    }
}

impl Connection {
    /// Of `user=…,addr=…,laddr=…,lport=…`; `None` for one of another user or port.
    pub fn of_specification(specification: &str, attempt: &Attempt) -> Option<Self> {
        let field = |name: &str| specification.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let is_same = field("user")? == attempt.os_user.as_str() && field("lport")?.parse() == Ok(attempt.port);
        let (from, to): (IpAddr, IpAddr) = (field("addr")?.parse().ok()?, field("laddr")?.parse().ok()?);
        is_same.then(|| Self {
            os_user: attempt.os_user.to_string(),
            from: vec![from.into()],
            is_from_anywhere: false,
            to: vec![to],
            port: attempt.port,
        })
    }
}

/// Every way means IPv4 unless an address or a source of the other family is named.
pub fn is_ipv4(attempt: &Attempt) -> bool {
    match (attempt.address, attempt.source) {
        (Some(address), _) => address.is_ipv4(),
        (None, Some(source)) => source.addr().is_ipv4(),
        (None, None) => true,
    }
}

/// The dialled address where it is the machine's own; else those of its family on an interface that leads out of the machine.
fn comes_in_on(attempt: &Attempt, addresses: &[LocalAddress]) -> Vec<IpAddr> {
    if let Some(dialled) = attempt.address
        && addresses.iter().any(|own| own.address == dialled)
    {
        return vec![dialled];
    }
    let is_ipv4 = is_ipv4(attempt);
    let of_family: Vec<&LocalAddress> =
        addresses.iter().filter(|own| own.address.is_ipv4() == is_ipv4 && is_global(own.address)).collect();
    let metric = |own: &LocalAddress| own.default_route.known().copied();
    let leads_out = |own: &&LocalAddress| metric(own).is_some() || own.is_device == Fact::Known(true);
    let mut outward: Vec<&LocalAddress> = of_family.iter().copied().filter(leads_out).collect();
    if outward.is_empty() {
        outward = of_family;
    }
    outward.sort_by_key(|own| metric(own).unwrap_or(u32::MAX));
    outward.iter().map(|own| own.address).collect()
}

/// An address at which another machine can be reached: neither loopback nor link-local.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local() && !address.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Via;

    use super::*;

    fn own(address: &str, interface: &str, default_route: Fact<u32>) -> LocalAddress {
        let is_device = Fact::Known(interface.starts_with("ens"));
        LocalAddress { address: address.parse().unwrap(), interface: interface.into(), default_route, is_device }
    }

    fn addresses() -> Fact<Vec<LocalAddress>> {
        Fact::Known(vec![
            own("127.0.0.1", "lo", Fact::Absent),
            own("172.17.0.1", "docker0", Fact::Absent),
            own("10.0.2.9", "ens6", Fact::Known(600)),
            own("10.0.1.5", "ens5", Fact::Known(512)),
            own("fe80::1", "ens5", Fact::Known(512)),
            own("2001:db8::5", "ens5", Fact::Known(512)),
        ])
    }

    fn with(change: impl Fn(&mut Attempt)) -> Connection {
        let mut attempt = Attempt::usual();
        change(&mut attempt);
        Connection::of(&attempt, &addresses(), Some("eu-west-1"))
    }

    #[test]
    fn a_public_address_comes_in_on_a_private_one() {
        let connection = with(|attempt| attempt.address = Some("198.51.100.20".parse().unwrap()));
        assert_eq!(connection.local().to_string(), "10.0.1.5");
        assert_eq!(connection.to.len(), 2);
        let expected = "user=ec2-user,host=203.0.113.1,addr=203.0.113.1,laddr=10.0.1.5,lport=22";
        assert_eq!(connection.specification(), expected);
    }

    #[test]
    fn an_address_of_the_machines_own_is_what_sshd_sees() {
        for own in ["10.0.2.9", "172.17.0.1", "2001:db8::5"] {
            let own: IpAddr = own.parse().unwrap();
            assert_eq!(with(|attempt| attempt.address = Some(own)).to, [own]);
        }
    }

    #[test]
    fn the_consoles_client_comes_from_the_regions_range() {
        let connection = with(|attempt| attempt.via = Via::Browser);
        assert_eq!((connection.source().to_string(), connection.is_from_anywhere), ("18.202.216.48".to_owned(), false));
        let connection = with(|attempt| {
            attempt.via = Via::Browser;
            attempt.address = Some("2001:db8::5".parse().unwrap());
        });
        assert_eq!(connection.source().to_string(), "2a05:d018:403:4e00::");
        assert!(with(|_| ()).is_from_anywhere);
    }

    #[test]
    fn a_specification_is_read_back() {
        let connection = with(|attempt| attempt.source = Some("192.0.2.0/24".parse().unwrap()));
        let back = Connection::of_specification(&connection.specification(), &Attempt::usual()).unwrap();
        assert_eq!(
            (back.source().to_string(), back.local().to_string()),
            ("192.0.2.0".to_owned(), "10.0.1.5".to_owned())
        );
        assert_eq!(
            Connection::of_specification("user=root,addr=192.0.2.1,laddr=10.0.1.5,lport=22", &Attempt::usual()),
            None
        );
    }

    #[test]
    fn without_addresses_something_is_still_named() {
        let connection = Connection::of(&Attempt::usual(), &Fact::NotGathered, None);
        assert_eq!((connection.to.as_slice(), connection.local().to_string().as_str()), (&[][..], "127.0.0.1"));
    }
}
