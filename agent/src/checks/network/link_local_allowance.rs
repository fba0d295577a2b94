use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::OsFacts;

check! {
    /// AWS has dropped no packets to IMDS, DNS and the time service for being too many.
    ///
    /// ## Why it matters
    /// Each network interface may send 1,024 packets a second to AWS's link-local services: the metadata service, the VPC's name
    /// server and the time service share that allowance. A program that asks IMDS or DNS in a loop uses it up, and then the keys
    /// command's requests are lost too: each has one second, so the login ends with `failed, status 28` now and then. The
    /// driver counts the packets that were dropped since the interface came up.
    ///
    /// ## How to look by hand
    /// On the instance: `ethtool -S eth0 | grep allowance_exceeded`, twice, some minutes apart: it matters when it grows. Who
    /// asks so often: `tcpdump -nn host 169.254.169.254 or host 169.254.169.253`.
    ///
    /// ## How to mend
    /// Let programs keep what they asked (credentials, instance id), and let the host keep names (`systemd-resolved`, `nscd`,
    /// `dnsmasq`). The allowance cannot be raised.
    ///
    /// ## References
    /// - EC2 User Guide: "Monitor network performance for ENA settings on your EC2 instance"
    /// - VPC User Guide: "DNS attributes for your VPC", about quotas
    pub static CHECK: OsFacts = {
        id: "os.network.link-local-allowance",
        title: "no packets to link-local services were dropped",
        needs: [],
        required: false,
        judge: judge,
    }
}

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let Some(allowance) = facts.network.link_local_allowance.present("the driver's count of dropped packets")? else {
        return Ok(Verdict::ok("no interface of the driver `ena`, which counts them", "/sys/class/net"));
    };
    let seen = format!("linklocal_allowance_exceeded is {} on {}", allowance.exceeded, allowance.interface);
    if allowance.exceeded == 0 {
        return Ok(Verdict::ok(seen, "ethtool -S"));
    }
    let why = format!(
        "{} packets to IMDS, DNS or the time service were dropped since {} came up, as too many were sent at a time",
        allowance.exceeded, allowance.interface
    );
    let remedy = Remedy::by_hand(
        "Find the program that asks IMDS or DNS so often (`tcpdump -nn net 169.254.0.0/16`), and let it keep the answers",
        "`ethtool -S` twice, some minutes apart: the count no longer grows",
    );
    Ok(Verdict::warn(Finding::new(why, remedy).seen(seen, "ethtool -S")))
}
