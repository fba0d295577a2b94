use eic_doctor_proto::{Attempt, Evidence, Fact, Finding, Remedy, Verdict, check};

use super::console_lines::{Fault, faults, since_the_last_boot};
use crate::facts::{AwsFacts, ConsoleOutput, seconds};

check! {
    /// The console shows no fault since the last boot.
    ///
    /// ## Why it matters
    ///
    /// Where the instance answers nobody, neither by the network nor through Systems Manager, its console is the only view into it. It
    /// shows why a boot did not end (a file system that must be repaired by hand, an emergency shell that waits for a password, a kernel
    /// that panicked) and that memory ran out and which program was killed for it, which may have been sshd or the SSM Agent.
    ///
    /// It is read only where EC2's status checks fail, or where what is inside the instance was asked for and could not be brought. Output
    /// from before the last start says nothing of this run of the instance, and neither do lines from before the last boot. Any program on the instance
    /// may write to the console, so its lines are a hint and never a failure.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 get-console-output --instance-id INSTANCE_ID --latest --output text`. `--latest` is for instances of the Nitro system; of
    /// others EC2 has what was written down shortly after the last start.
    ///
    /// ## How to mend
    ///
    /// Memory: stop what uses it, or change to a larger instance type; a reboot helps until it happens again. A file system or an emergency
    /// shell: use the EC2 serial console where the account and the instance type have it; else stop the instance, attach the root volume
    /// to another one, repair the file system or correct `/etc/fstab` (`nofail` keeps a volume that is missing from stopping the boot), and
    /// attach it again. A panic: choose the kernel that was booted before.
    ///
    /// ## References
    ///
    /// - EC2 API Reference, GetConsoleOutput
    /// - EC2 User Guide, "Troubleshoot an unreachable Amazon EC2 instance"
    /// - EC2 User Guide, "Troubleshoot Amazon EC2 Linux instances with failed status checks"
    pub static CHECK: AwsFacts = {
        id: "aws.instance.console",
        title: "the console shows no fault since the last boot",
        needs: ["aws.instance.running"],
        actions: ["ec2:GetConsoleOutput", "ec2:DescribeInstanceStatus"],
        required: false,
        judge: judge,
    }
}

const AT: &str = "ec2:GetConsoleOutput";
/// How many lines of the end are shown.
const TAIL: usize = 8;

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    if facts.console == Fact::NotGathered {
        let status = facts.instance_status.need("the instance's status")?;
        if !status.is_impaired() {
            return Ok(Verdict::not_applicable(
                "the console is read only where a status check fails or nobody could look inside",
            ));
        }
    }
    let console = facts.console.need("the console output")?;
    of_this_run(console, facts)?;
    let output = console.output.as_ref().map(|output| output.raw()).unwrap_or_default();
    let lines = since_the_last_boot(output);
    if lines.is_empty() {
        return Err(Verdict::unknown(
            "the console output is empty: EC2 has none some minutes after a start, or the system writes none",
        ));
    }
    let written = console.timestamp.as_deref().unwrap_or_default();
    let tail = lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| Evidence::new(line, AT));
    let read = Evidence::new(format!("{} lines since the last boot, written down at {written}", lines.len()), AT);
    let found = faults(&lines);
    let Some((first, _)) = found.iter().min_by_key(|(fault, _)| *fault) else {
        return Ok(Verdict::Ok { evidence: std::iter::once(read).chain(tail).collect() });
    };
    let whats: Vec<&str> = found.iter().map(|(fault, _)| what(*fault)).collect();
    let why = format!("the console shows that {}", whats.join(", and that "));
    let verify = "The console shows no such line after the next boot, and EC2's status checks pass";
    let finding = Finding::new(why, Remedy::by_hand(mend(*first), verify));
    let seen = found.iter().map(|(_, line)| Evidence::new(line, AT));
    Ok(Verdict::warn(finding.with(seen.chain([read]).chain(tail))))
}

/// EC2 keeps what an earlier run of the instance wrote until it has something newer.
fn of_this_run(console: &ConsoleOutput, facts: &AwsFacts) -> Result<(), Verdict> {
    let launched = facts.instance.need("the instance")?.launch_time.as_deref();
    let (Some(written), Some(launched)) = (console.timestamp.as_deref(), launched) else {
        return Err(Verdict::unknown(
            "AWS did not tell when the console output was written down, or when the instance was started",
        ));
    };
    match (seconds(written), seconds(launched)) {
        (Some(at), Some(start)) if at >= start => Ok(()),
        (Some(_), Some(_)) => Err(Verdict::unknown(format!(
            "the console output is from {written}, and the instance was started at {launched}: it tells of an earlier run"
        ))),
        _ => Err(Verdict::unknown(format!("`{written}` and `{launched}` are not both points of time"))),
    }
}

fn what(fault: Fault) -> &'static str {
    match fault {
        Fault::KernelPanic => "the kernel panicked",
        Fault::EmergencyMode => "the system waits in an emergency shell",
        Fault::FileSystemCheck => "a file system must be checked by hand",
        Fault::OutOfMemory => "memory ran out",
    }
}

fn mend(fault: Fault) -> &'static str {
    match fault {
        Fault::KernelPanic => {
            "Stop the instance, attach its root volume to another one, choose the kernel that was booted before, attach it again and start"
        }
        Fault::EmergencyMode | Fault::FileSystemCheck => {
            "By the EC2 serial console, or with the root volume attached to another instance: repair the file system that the lines name, or \
             correct its line in `/etc/fstab` (`nofail` for a volume that may be missing), and boot again"
        }
        Fault::OutOfMemory => {
            "Reboot the instance, then stop what uses the memory, add swap, or change to a larger instance type"
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(output: Option<&str>, written: Option<&str>) -> AwsFacts {
        let console = json!({ "InstanceId": "i-1", "Output": output, "Timestamp": written });
        let instance = json!({ "LaunchTime": "2026-11-28T09:00:00+00:00" });
        AwsFacts {
            instance: Fact::Known(serde_json::from_value(instance).unwrap()),
            console: Fact::Known(serde_json::from_value(console).unwrap()),
            ..AwsFacts::default()
        }
    }

    fn judged(facts: &AwsFacts) -> Verdict {
        judge(facts, &Attempt::usual()).unwrap_or_else(|verdict| verdict)
    }

    const LATER: Option<&str> = Some("2026-11-28T09:05:00.000Z");

    #[test]
    fn a_fault_is_a_warning_that_quotes_its_line_with_nothing_that_a_terminal_obeys() {
        let output = "Linux version 6.1\n\u{1b}[31m[  812.331] Out of memory: Killed process 1432 (ja\u{202e}va)\n";
        let Verdict::Warn(finding) = judged(&facts(Some(output), LATER)) else { panic!("no warning") };
        assert_eq!(finding.why, "the console shows that memory ran out");
        assert_eq!(finding.evidence[0].seen, "[  812.331] Out of memory: Killed process 1432 (ja\\u{202e}va)");
    }

    #[test]
    fn what_keeps_the_system_from_coming_up_is_mended_first() {
        let output = "Out of memory: Killed process 7 (x)\nYou are in emergency mode\n";
        let Verdict::Warn(finding) = judged(&facts(Some(output), LATER)) else { panic!("no warning") };
        assert!(
            finding.why.ends_with("memory ran out, and that the system waits in an emergency shell"),
            "{}",
            finding.why
        );
        assert!(finding.remedy.text.contains("/etc/fstab"));
    }

    #[test]
    fn only_the_end_of_a_quiet_console_is_shown() {
        let output: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let Verdict::Ok { evidence } = judged(&facts(Some(&output), LATER)) else { panic!("not ok") };
        assert_eq!((evidence.len(), evidence.last().unwrap().seen.as_str()), (TAIL + 1, "line 999"));
    }

    #[test]
    fn output_of_an_earlier_run_or_of_no_known_time_or_none_at_all_says_nothing() {
        let panic = Some("Kernel panic - not syncing: x");
        for facts in [
            facts(panic, Some("2026-11-28T08:59:59Z")),
            facts(panic, None),
            facts(panic, Some("yesterday")),
            facts(Some(" \r\n"), LATER),
            facts(None, LATER),
        ] {
            assert!(matches!(judged(&facts), Verdict::Unknown { .. }), "{:?}", facts.console);
        }
    }

    #[test]
    fn nobody_asks_where_all_is_well_and_what_was_not_asked_of_an_impaired_instance_is_unknown() {
        let of = |status: &str| {
            let status = json!({ "InstanceStatus": { "Status": status } });
            judged(&AwsFacts {
                instance_status: Fact::Known(serde_json::from_value(status).unwrap()),
                ..AwsFacts::default()
            })
        };
        assert!(matches!(of("ok"), Verdict::NotApplicable { .. }));
        assert!(matches!(of("impaired"), Verdict::Unknown { .. }));
    }
}
