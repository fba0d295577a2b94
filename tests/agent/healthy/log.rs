use super::{Fact, LogLine, OsFacts, RecentLog};

/// 2026-11-24 17:03:56 UTC.
pub const AT: u64 = 1_795_539_836;
pub const KEY: &str = "SHA256:c5awLpT7wpWFoDi3IWioReMuaevrxRgFOUr9FLnl0BM";

/// The same on every healthy instance: a login by a pushed key.
pub fn fill(facts: &mut OsFacts) {
    let Fact::Known(user) = &facts.account.os_user else { return };
    let user = user.name.raw().to_owned();
    let query = format!("Querying EC2 Instance Connect keys for matching fingerprint: {KEY}");
    let provide = format!(
        "Providing ssh key from EC2 Instance Connect with fingerprint: {KEY}, request-id: 5e07d3df, for IAM principal: arn:aws:iam::123456789012:user/operator"
    );
    let accept = format!("Accepted publickey for {user} from 203.0.113.7 port 39180 ssh2: ED25519 {KEY}");
    let keys = "ec2-instance-connect";
    set(
        facts,
        &[
            (0, keys, 168, &query),
            (0, keys, 176, &provide),
            (1, keys, 238, &query),
            (1, keys, 246, &provide),
            (1, "sshd", 106, &accept),
        ],
    );
}

/// In the place of what the log has: seconds after [`AT`], program, process id, message.
pub fn set(facts: &mut OsFacts, lines: &[(u64, &str, u32, &str)]) {
    let line = |(after, program, pid, message): &(u64, &str, u32, &str)| LogLine {
        at: AT + after,
        program: (*program).into(),
        pid: *pid,
        message: (*message).into(),
    };
    facts.log.recent = Fact::Known(RecentLog {
        source: "the journal".into(),
        lines: lines.iter().map(line).collect(),
        ..RecentLog::default()
    });
}
