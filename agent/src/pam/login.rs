//! Who logs in from where, and the files that modules read about it.

use eic_doctor_proto::Fact;
use ipnet::IpNet;

use crate::facts::{Account, OsFacts, PamFacts, PamFile};

use super::access::Fit;

/// Who logs in, from where.
pub struct Login<'a> {
    pub facts: &'a OsFacts,
    pub account: &'a Account,
    pub pam: &'a PamFacts,
    /// `None` where nobody said.
    pub from: Option<Vec<IpNet>>,
    /// sshd tells PAM the name of the other side in place of its address.
    pub uses_dns: bool,
}

impl Login<'_> {
    pub fn is_in_group(&self, name: &str) -> Fit {
        match &self.facts.account.groups {
            Fact::Known(groups) if groups.iter().any(|group| group.name.raw() == name) => Fit::Yes,
            Fact::Known(_) => Fit::No,
            Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => Fit::Unsure,
        }
    }

    pub(super) fn file(&self, path: &str) -> Option<&PamFile> {
        self.pam.files.iter().find(|file| file.path.raw() == path)
    }

    /// The default file and those of its folder, or the one that the rule names.
    pub(super) fn files(&self, named: Option<&str>, file: &str, folder: &str) -> Vec<&PamFile> {
        match named {
            Some(path) => self.file(path).into_iter().collect(),
            None => {
                let below = |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
                self.pam.files.iter().filter(|found| found.path.raw() == file || below(found.path.raw())).collect()
            }
        }
    }
}
