//! A line of `nsswitch.conf(5)`.

use super::{Parsed, text};

/// The services of the last line of `database` in their order, without `[action]` items. Empty when there is no such line.
pub fn parse_nsswitch(bytes: &[u8], database: &str) -> Parsed<Vec<String>> {
    let mut parsed = Parsed::<Vec<String>>::default();
    for line in text(bytes).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.split_once(':') {
            Some((name, services)) if name.trim_end() == database => parsed.value = self::services(services),
            Some(_) => {}
            None if line.is_empty() => {}
            None => parsed.pass_over(line),
        }
    }
    parsed
}

/// `[NOTFOUND=return]`, also `[ NOTFOUND = return ]`, is no service.
fn services(text: &str) -> Vec<String> {
    let mut services = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        services.extend(before.split_whitespace().map(str::to_owned));
        rest = after.split_once(']').map_or("", |(_action, after)| after);
    }
    services.extend(rest.split_whitespace().map(str::to_owned));
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_are_read_without_their_actions() {
        let file = b"# x\npasswd:  files sss [NOTFOUND=return] systemd # y\ngroup: files [ SUCCESS = merge ] sss\n";
        assert_eq!(parse_nsswitch(file, "passwd").value, ["files", "sss", "systemd"]);
        assert_eq!(parse_nsswitch(file, "group").value, ["files", "sss"]);
        assert_eq!(parse_nsswitch(file, "initgroups").value, [""; 0]);
    }
}
