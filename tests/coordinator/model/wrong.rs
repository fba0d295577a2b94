//! Deliberately wrong variants of one rule each. The generated cases must tell every one of them from the right rule; a variant that
//! nothing tells apart means that the cases do not reach that rule.

/// The rules that the model judges by: the right ones, or all but one.
#[derive(Clone, Copy)]
pub struct Rules {
    pub wrong: Option<Wrong>,
}

impl Rules {
    pub fn is(self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }
}

macro_rules! wrong {
    ($($name:ident: $what:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Wrong {
            $(#[doc = $what] $name,)*
        }

        pub const ALL: &[(Wrong, &str)] = &[$((Wrong::$name, $what),)*];
    };
}

wrong! {
    UdpOpensTcp: "a rule for UDP opens the TCP port",
    PortsIgnored: "a TCP rule opens every port",
    FirstGroupOnly: "only the interface's first security group counts",
    AllProtocolsNotUnderstood: "protocol `-1` is not taken for all",
    ProtocolNumberNotUnderstood: "protocol `6` is not taken for TCP",
    FamiliesAreOne: "`::/0` admits IPv4, and `0.0.0.0/0` IPv6",
    UnreadPrefixListAdmitsNobody: "a prefix list that could not be read admits nobody",
    MissingGroupAdmitsNobody: "a security group that is not among the answers admits nobody",
    GroupReferenceAdmitsAnyone: "a rule that names a group admits who comes from the internet",
    FirstAddressIsEnough: "the first address of the source speaks for all",
    AclInPrintedOrder: "a network ACL's entries count in the order they are printed in",
    AclDenyIgnored: "a network ACL's deny entries do not count",
    AclIsStateful: "a network ACL lets every reply out",
    AclLetsTheRestThrough: "a network ACL lets through what no entry names",
    AclWithinTheSubnet: "a network ACL filters what stays within its subnet",
    DefaultAcl: "the VPC's default network ACL counts, whatever is associated",
    EphemeralPortsOfLinux: "replies go to ports 32768 and above alone",
    MainTableAlways: "the main route table counts, whatever is associated",
    FirstRoute: "the first route that matches decides",
    PropagatedBeatsStatic: "of two equal routes the propagated one decides",
    PrefixListBeatsStatic: "of two equal routes the prefix list's decides",
    LongestPrefixListEntry: "of prefix lists that overlap the longest entry decides",
    UnreadPrefixListIsNoRoute: "a route to a prefix list that could not be read is no route",
    BlackholeLeadsBack: "a blackhole leads back",
    NatLeadsBack: "a NAT gateway leads back",
    EgressOnlyLeadsBack: "an egress-only internet gateway leads back",
    ApplianceLeadsBack: "an appliance leads back",
    AnyGatewayLeadsBack: "a private gateway leads back to the internet, and an internet gateway to a private network",
    GatewayOfAnyVpc: "an internet gateway of another VPC serves this one",
    DetachedGateway: "an internet gateway serves while it is attached or detached",
    GatewayTableIgnored: "a route table at the internet gateway turns nothing away",
    BlockIngressBlocksNothing: "`block-ingress` blocks nothing",
    ExclusionsIgnored: "exclusions from VPC Block Public Access do not count",
    EgressExclusionAdmits: "an exclusion for egress lets in",
    ExclusionThatIsGone: "an exclusion that failed or was deleted counts",
    PrimaryInterface: "the primary interface is judged, whichever has the address",
    EndpointInAnyState: "an endpoint is usable in any state",
    EndpointOfAnyFamily: "an endpoint reaches both families",
    EndpointLetsEverythingOut: "the endpoint's outbound rules do not count",
    VerdictOfElementsAlone: "two elements that admit different parts of the source together admit something",
}
