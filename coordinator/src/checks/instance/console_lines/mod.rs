//! What a console output says, line by line: what was written since the last boot, and the well-known faults in it.
//!
//! It judges nothing, and trusts nothing: a program on the instance may write any line.

/// Characters of a line that are shown.
const WIDTH: usize = 200;

/// What is wrong, as a console shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    KernelPanic,
    EmergencyMode,
    FileSystemCheck,
    OutOfMemory,
}

/// The lines since the last boot, without escape sequences and without empty ones.
pub fn since_the_last_boot(output: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in output.split(['\n', '\r']) {
        let line = plain(line);
        if is_first_of_a_boot(&line) {
            lines.clear();
        }
        if !line.trim().is_empty() {
            lines.push(line.trim_end().chars().take(WIDTH).collect());
        }
    }
    lines
}

/// The faults with the first line of each, in the order of the lines.
pub fn faults(lines: &[String]) -> Vec<(Fault, &str)> {
    // A system that came up after all had no lasting trouble with its file systems.
    let came_up = lines.iter().rposition(|line| is_up(line)).map_or(0, |last| last + 1);
    let mut found: Vec<(Fault, &str)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(fault) = fault(line) else { continue };
        let is_past = number < came_up && matches!(fault, Fault::EmergencyMode | Fault::FileSystemCheck);
        if !is_past && found.iter().all(|(known, _)| *known != fault) {
            found.push((fault, line));
        }
    }
    found
}

/// Sources: kernel, `init/main.c` (`linux_banner`), which is the first line that a kernel prints.
fn is_first_of_a_boot(line: &str) -> bool {
    after_the_time(line).starts_with("Linux version ")
}

/// Sources: kernel, `mm/oom_kill.c` and `kernel/panic.c`; e2fsprogs, `e2fsck/unix.c`; systemd, `src/fsck/fsck.c`,
/// `units/emergency.service.in` and `src/sulogin-shell`; util-linux, `sulogin`; dracut, `dracut-emergency.sh`; initramfs-tools, `scripts/functions`.
fn fault(line: &str) -> Option<Fault> {
    let message = after_the_time(line);
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if message.starts_with("Kernel panic - not syncing") {
        return Some(Fault::KernelPanic);
    }
    let is_killed = has(&["Out of memory: Kill", "Memory cgroup out of memory: Kill"]) && has(&["process"]);
    if is_killed || has(&["invoked oom-killer:", "Out of memory and no killable processes"]) {
        return Some(Fault::OutOfMemory);
    }
    if has(&[
        "UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        "fsck failed with exit status",
        "Failed to start File System Check on",
    ]) || (has(&["Failed to start systemd-fsck"]) && has(&["File System Check"]))
    {
        return Some(Fault::FileSystemCheck);
    }
    let is_emergency = has(&[
        "You are in emergency mode",
        "You are in rescue mode",
        "Entering emergency mode",
        "Give root password for maintenance",
        "Press Enter for maintenance",
        "Cannot open access to console, the root account is locked",
        "Reached target Emergency Mode",
        "Reached target emergency.target",
    ]) || message.trim_start().starts_with("(initramfs)");
    is_emergency.then_some(Fault::EmergencyMode)
}

/// A login prompt, or systemd's word for a system that is up.
fn is_up(line: &str) -> bool {
    line.trim_end().ends_with(" login:")
        || line.contains("Reached target Multi-User System")
        || line.contains("Reached target multi-user.target")
}

/// The line without the kernel's time in front: `[    0.000000] `.
fn after_the_time(line: &str) -> &str {
    let Some((time, rest)) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return line;
    };
    let is_time = time.trim_start().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_time { rest } else { line }
}

/// Without the sequences that colour a line or move the cursor. What else is not text is shown as such by whoever prints it.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        // ECMA-48: CSI, parameters, and one final character from `@` to `~`.
        if characters.next_if_eq(&'[').is_some() {
            while characters.next_if(|next| (' '..='?').contains(next)).is_some() {}
            characters.next_if(|next| ('@'..='~').contains(next));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(output: &str) -> Vec<Fault> {
        let lines = since_the_last_boot(output);
        faults(&lines).into_iter().map(|(fault, _)| fault).collect()
    }

    #[test]
    fn only_the_last_boot_counts() {
        let output = "[   12.0] Out of memory: Killed process 7 (java)\n[    0.000000] Linux version 6.1.112 (x)\r\n\r\n[    1.5] Run /sbin/init\n";
        assert_eq!(
            since_the_last_boot(output),
            ["[    0.000000] Linux version 6.1.112 (x)", "[    1.5] Run /sbin/init"]
        );
        assert_eq!(found(output), []);
        // Of a very long boot the first line may be gone.
        assert_eq!(found("[ 9000.1] Out of memory: Killed process 7 (java)"), [Fault::OutOfMemory]);
        // A message that only quotes it begins no boot.
        assert_eq!(since_the_last_boot("a\necho Linux version 5").len(), 2);
    }

    #[test]
    fn each_well_known_fault_is_found_behind_times_and_colours() {
        for (line, fault) in [
            ("[  812.331] Out of memory: Killed process 1432 (java) total-vm:1kB", Fault::OutOfMemory),
            ("[  812.330] sshd invoked oom-killer: gfp_mask=0x100cca, order=0, oom_score_adj=0", Fault::OutOfMemory),
            (
                "[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
                Fault::KernelPanic,
            ),
            (
                "[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start \u{1b}[0;1;39mFile System Check on /dev/xvdf\u{1b}[0m.",
                Fault::FileSystemCheck,
            ),
            (
                "[FAILED] Failed to start systemd-fsck@dev-sdf.service - File System Check on /dev/sdf.",
                Fault::FileSystemCheck,
            ),
            ("/dev/xvda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", Fault::FileSystemCheck),
            ("You are in emergency mode. After logging in, type \"journalctl -xb\" to view", Fault::EmergencyMode),
            ("Give root password for maintenance", Fault::EmergencyMode),
            ("[  OK  ] Reached target Emergency Mode.", Fault::EmergencyMode),
            ("(initramfs) ", Fault::EmergencyMode),
        ] {
            assert_eq!(found(line), [fault], "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_fault() {
        for line in [
            "[    0.0] Command line: panic=1 oom=panic",
            "[  OK  ] Finished File System Check on /dev/disk/by-label/UEFI.",
            "systemd-fsck[201]: /dev/xvda1: clean, 1/2 files",
            "[    1.0] systemd[1]: Listening on udev Kernel Socket.",
            "ip-10-0-0-5 login: ",
            "dracut-initqueue: emergency hook installed",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }

    #[test]
    fn a_system_that_came_up_afterwards_is_in_no_emergency_but_may_have_run_out_of_memory() {
        let up = "You are in emergency mode\n[   60.0] Out of memory: Killed process 1 (x)\nip-10-0-0-5 login: \n";
        assert_eq!(found(up), [Fault::OutOfMemory]);
        assert_eq!(found(&format!("{up}You are in emergency mode")), [Fault::OutOfMemory, Fault::EmergencyMode]);
    }

    #[test]
    fn a_line_is_bounded_and_sequences_that_do_not_end_take_nothing_else_with_them() {
        assert_eq!(since_the_last_boot(&"é".repeat(1000))[0].chars().count(), WIDTH);
        assert_eq!(since_the_last_boot("a\u{1b}[31"), ["a"]);
        assert_eq!(since_the_last_boot("a\u{1b}\u{7}b"), ["a\u{7}b"]);
    }
}
