//! `ExecStart=` lines of a unit file or a drop-in (`systemd.syntax(7)`).

use eic_doctor_proto::Untrusted;

use super::{Parsed, text};

/// The values of `ExecStart=` in `[Service]`, in their order, continuation lines joined; an empty one clears those before it.
pub fn parse_unit(bytes: &[u8]) -> Parsed<Vec<Untrusted>> {
    let mut parsed = Parsed::<Vec<Untrusted>>::default();
    let mut section = String::new();
    let mut line = String::new();
    for physical in text(bytes).lines() {
        let physical = physical.trim_end();
        // A comment within a continued line is left out, and the line goes on after it.
        if physical.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(begun) = physical.strip_suffix('\\') {
            line.push_str(begun);
            line.push(' ');
            continue;
        }
        line.push_str(physical);
        let logical = std::mem::take(&mut line);
        take(&mut parsed, &mut section, logical.trim());
    }
    take(&mut parsed, &mut section, line.trim());
    parsed
}

fn take(parsed: &mut Parsed<Vec<Untrusted>>, section: &mut String, line: &str) {
    if line.is_empty() {
        return;
    }
    if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        *section = name.to_owned();
    } else if let Some((name, value)) = line.split_once('=') {
        if section == "Service" && name.trim() == "ExecStart" {
            parsed.value.push(value.split_whitespace().collect::<Vec<_>>().join(" ").into());
        }
    } else {
        parsed.pass_over(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_clears_and_sets_anew_over_several_lines() {
        let parsed = parse_unit(
            b"[Unit]\nExecStart=/not/this\n[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D \\\n# why\n  -o \"A b %%u\" $OPTS\nbad\n",
        );
        assert_eq!(parsed.value, ["".into(), "/usr/sbin/sshd -D -o \"A b %%u\" $OPTS".into()]);
        assert_eq!(parsed.not_understood, ["bad".into()]);
    }
}
