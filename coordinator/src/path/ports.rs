//! Ports and protocols as AWS's rules write them.

/// The ports that replies may go to: a clean verdict needs them all.
///
/// Source: VPC User Guide, "Ephemeral ports": Linux uses 32768–61000, Windows 49152–65535, a NAT gateway 1024–65535. The range of the
/// browser client's servers is not documented.
pub const RETURN: Ports = Ports { from: 1024, to: 65535 };

/// An inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub from: u16,
    pub to: u16,
}

impl Ports {
    pub const ALL: Ports = Ports { from: 0, to: u16::MAX };

    /// As AWS gives them; left out or -1 is all. `None` when they are no ports.
    pub fn of(from: Option<i32>, to: Option<i32>) -> Option<Self> {
        match (from, to) {
            (None | Some(-1), None | Some(-1)) => Some(Self::ALL),
            (Some(from), Some(to)) => Some(Self { from: u16::try_from(from).ok()?, to: u16::try_from(to).ok()? }),
            _ => None,
        }
    }

    pub fn holds(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }

    pub fn words(self) -> String {
        match self {
            Self::ALL => String::from("all ports"),
            Self { from, to } if from == to => format!("port {from}"),
            Self { from, to } => format!("ports {from}-{to}"),
        }
    }
}

/// What a rule's protocol says of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    /// All protocols, and so all ports.
    All,
    /// UDP, ICMP or another: nothing of TCP.
    Other,
}

impl Protocol {
    /// A name or a number of IANA's, or `-1`.
    pub fn of(text: &str) -> Self {
        match text {
            "-1" | "all" => Self::All,
            "tcp" | "6" => Self::Tcp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_aws_writes_them() {
        assert_eq!(Ports::of(Some(22), Some(22)).map(Ports::words).as_deref(), Some("port 22"));
        assert_eq!(Ports::of(None, None), Some(Ports::ALL));
        assert_eq!(Ports::of(Some(-1), Some(-1)), Some(Ports::ALL));
        assert_eq!(Ports::of(Some(0), Some(65536)), None);
        assert!(!Ports { from: 80, to: 443 }.holds(22));
        assert_eq!(Protocol::of("17"), Protocol::Other);
    }
}
