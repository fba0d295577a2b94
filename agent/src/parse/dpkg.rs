//! Paragraphs of `/var/lib/dpkg/status` (deb822): only the fields `Package`, `Status` and `Version`.

use crate::facts::Package;

use super::{Parsed, text};

/// Each paragraph that names a package, installed or not: [`Package::state`] is the third word of `Status:`.
pub fn parse_dpkg_status(bytes: &[u8]) -> Parsed<Vec<Package>> {
    let mut parsed = Parsed::<Vec<Package>>::default();
    let mut current: Option<Package> = None;
    for line in text(bytes).lines() {
        if line.trim().is_empty() {
            parsed.value.extend(current.take().filter(|package| !package.name.raw().is_empty()));
            continue;
        }
        // A line that begins with white space goes on with the field before it.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((field, value)) = line.split_once(':') else {
            parsed.pass_over(line);
            continue;
        };
        let package = current.get_or_insert_default();
        let value = value.trim();
        match field {
            "Package" => package.name = value.into(),
            "Version" => package.version = value.into(),
            "Status" => package.state = value.split_whitespace().nth(2).unwrap_or_default().into(),
            _ => {}
        }
    }
    parsed.value.extend(current.filter(|package| !package.name.raw().is_empty()));
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_that_left_its_configuration_says_so() {
        let parsed = parse_dpkg_status(
            b"Package: a\nStatus: install ok installed\nDescription: x\n Package: not this\nVersion: 1.1.12+dfsg1-0ubuntu3\n\n\
              Package: b\nStatus: deinstall ok config-files\nVersion: 2\n",
        );
        let states: Vec<_> = parsed.value.iter().map(|p| (p.name.raw(), p.version.raw(), p.state.raw())).collect();
        assert_eq!(states, [("a", "1.1.12+dfsg1-0ubuntu3", "installed"), ("b", "2", "config-files")]);
    }
}
