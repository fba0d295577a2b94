//! The answer of `rpm -q --qf` with [`RPM_QUERY_FORMAT`].

use crate::facts::Package;

use super::{Parsed, text};

pub const RPM_QUERY_FORMAT: &str = "%{NAME}\\t%{VERSION}-%{RELEASE}\\n";

/// The installed packages; `package NAME is not installed` is an answer too, and gives none.
pub fn parse_rpm_query(bytes: &[u8]) -> Parsed<Vec<Package>> {
    let mut parsed = Parsed::<Vec<Package>>::default();
    for line in text(bytes).lines().map(str::trim) {
        if line.is_empty() || (line.starts_with("package ") && line.ends_with(" is not installed")) {
            continue;
        }
        match line.split_once('\t') {
            Some((name, version)) if !name.contains(char::is_whitespace) => {
                parsed.value.push(Package { name: name.into(), version: version.into(), state: "installed".into() })
            }
            _ => parsed.pass_over(line),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_and_missing_packages_stand_side_by_side() {
        let parsed = parse_rpm_query(
            b"ec2-instance-connect\t1.1-19.amzn2023\npackage ec2-instance-connect-selinux is not installed\nwarning: x\n",
        );
        assert_eq!(parsed.value.len(), 1);
        assert_eq!(parsed.value[0].version.raw(), "1.1-19.amzn2023");
        assert_eq!(parsed.not_understood, ["warning: x".into()]);
    }
}
